"""Actions as vectors of real numbers, whatever the environment's action space.

Spaces of whole numbers (`Discrete`, `MultiDiscrete`, `MultiBinary`, Boxes of integers) have one
entry for each number; a plan's numbers are rounded to the nearest action of the space.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from sparsectl.errors import ConfigError

_OPEN = 4
"""Bytes from which on the extremes of an integer type mean no limit."""


def whole(space: spaces.Space) -> list[range] | None:
    """The whole numbers that every entry may be; None where actions are not whole numbers."""
    if isinstance(space, spaces.Discrete):
        return [range(int(space.start), int(space.start) + int(space.n))]
    if isinstance(space, spaces.MultiDiscrete):
        pairs = zip(space.start.ravel().tolist(), space.nvec.ravel().tolist(), strict=True)
        return [range(first, first + count) for first, count in pairs]
    if isinstance(space, spaces.MultiBinary):
        return [range(2)] * math.prod(space.shape)
    if isinstance(space, spaces.Box) and space.dtype.kind in "biu":
        ends = zip(space.low.ravel().tolist(), space.high.ravel().tolist(), strict=True)
        return [range(int(low), int(high) + 1) for low, high in ends]
    return None


def limits(space: spaces.Space) -> tuple[np.ndarray, np.ndarray] | None:
    """Least and largest value of every entry, shapes (nu,); None for spaces without numbers."""
    numbers = whole(space)
    if numbers is None:
        if not isinstance(space, spaces.Box):
            return None
        return space.low.reshape(-1), space.high.reshape(-1)
    low = np.array([r.start for r in numbers], np.float64)
    high = np.array([r.stop - 1 for r in numbers], np.float64)
    if isinstance(space, spaces.Box) and space.dtype.itemsize >= _OPEN:
        ends = np.iinfo(space.dtype)  # type: ignore[type-var]
        high[high == float(ends.max)] = np.inf
        if ends.min < 0:
            low[low == float(ends.min)] = -np.inf
    return low, high


def native(rows: np.ndarray, space: spaces.Space) -> Any:
    """Vectors as actions of a space of whole numbers: rounded, of its type and shape.

    Args:
        rows: Shape (..., nu).
        space: see `whole`.

    Returns:
        Shape (..., *shape of the space); a number of numpy for one action of a `Discrete`.
    """
    low, high = limits(space)  # type: ignore[misc]
    inside = np.rint(np.clip(rows, low, high)).astype(space.dtype)
    return inside.reshape((*inside.shape[:-1], *(space.shape or ())))[()]


class FlattenAction(gymnasium.ActionWrapper, RecordConstructorArgs):
    """Actions of any shape as a vector."""

    def __init__(self, env: gymnasium.Env) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ActionWrapper.__init__(self, env)
        inner = env.action_space
        assert isinstance(inner, spaces.Box)
        self._shape = inner.shape
        self.action_space = spaces.Box(
            inner.low.reshape(-1), inner.high.reshape(-1), dtype=inner.dtype.type
        )

    def action(self, action: np.ndarray) -> np.ndarray:
        """Action of the wrapped environment. Shape (nu,) -> its own shape."""
        return np.asarray(action).reshape(self._shape)


class WholeAction(gymnasium.ActionWrapper):
    """Actions of a space of whole numbers as a vector of real ones."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        low, high = limits(env.action_space)  # type: ignore[misc]
        self.action_space = spaces.Box(low, high, dtype=np.float64)

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """Of the environment inside, whose own actions are those that datasets hold."""
        return self.env.spec

    def action(self, action: np.ndarray) -> Any:
        """Action of the wrapped environment. Shape (nu,) -> its own type and shape."""
        return native(np.asarray(action), self.env.action_space)


def flat(env: gymnasium.Env, env_id: str) -> gymnasium.Env:
    """An environment whose action is a vector of real numbers.

    Raises:
        ConfigError: an action space without numbers.
    """
    space = env.action_space
    found = limits(space)
    if found is not None and not len(found[0]):
        raise ConfigError(
            f"environment '{env_id}' has action space {space}, which has no entry: there is "
            "nothing to plan; expected at least one"
        )
    if whole(space) is not None:
        return WholeAction(env)
    if not isinstance(space, spaces.Box):
        raise ConfigError(
            f"environment '{env_id}' has action space {space}: planning needs numbers, a Box, "
            "Discrete, MultiDiscrete or MultiBinary space"
        )
    return env if len(space.shape) == 1 else FlattenAction(env)


def levels(env: gymnasium.Env) -> list[range] | None:
    """The whole numbers that each entry of an action of `make`'s environments may be.

    None where actions are real numbers.
    """
    return whole(getattr(env, "inner_action", env.action_space))


def is_bounded(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which entries of a box are bounded, where the largest numbers of a type mean no bound.

    Shapes (n,), (n,) -> (n,).
    """
    most = np.finfo(np.float32).max / 2
    return (np.abs(low) < most) & (np.abs(high) < most)
