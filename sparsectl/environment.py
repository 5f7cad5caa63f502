"""Gymnasium environments by id, with flat Box observations and a one-dimensional action box."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import FlattenObservation

from sparsectl import rendering
from sparsectl.errors import ConfigError, MissingExtra, nearest


def make(
    env_id: str, kwargs: Mapping[str, Any] | None = None, render_mode: str | None = None
) -> gymnasium.Env:
    """Environment whose observation is a flat Box and whose action is a Box of shape (nu,).

    Dict and Tuple observations of Boxes, and Boxes of more than one axis, are flattened in
    Gymnasium's order (Dict keys sorted). `module:Name-v0` imports `module` first, as
    `gymnasium.make` does.

    Args:
        env_id: registered id.
        kwargs: arguments of the environment's constructor.
        render_mode: e.g. `"rgb_array"`.

    Raises:
        ConfigError: unknown id, arguments the environment refuses, or spaces that cannot be
            planned in.
        MissingExtra: the environment needs a package that is not installed.
    """
    arguments = dict(kwargs or {})
    if render_mode is not None:
        arguments["render_mode"] = render_mode
    _known(env_id)
    told = rendering.settle()
    if told:
        warnings.warn(told, stacklevel=2)
    try:
        env = gymnasium.make(env_id, **arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingExtra(f"environment '{env_id}' needs another package: {error}") from error
    except ImportError as error:
        raise MissingExtra(
            f"environment '{env_id}' cannot be imported: {error}; install its package"
        ) from error
    except gymnasium.error.Error as error:
        raise ConfigError(f"environment '{env_id}': {error}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"environment '{env_id}' refuses the arguments {arguments}: {error}"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"environment '{env_id}' cannot be made: {type(error).__name__}: {error}"
        ) from error
    try:
        return _flat_actions(_flat_observations(env, env_id), env_id)
    except ConfigError:
        env.close()
        raise


def _known(env_id: str) -> None:
    """Look the id up before anything is built, so that the message can name the nearest one."""
    if ":" in env_id:  # registered only by the import that `gymnasium.make` does
        return
    try:
        gymnasium.spec(env_id)
    except gymnasium.error.Error:
        raise ConfigError(
            f"unknown environment '{env_id}'"
            + _nearest_id(env_id)
            + "; an environment of your own "
            "package is found as 'package:Name-v0' or after the package is imported"
        ) from None


def _nearest_id(name: str) -> str:
    ids = sorted(gymnasium.registry)
    text = nearest(name, ids)
    if text.startswith(" (did you mean"):
        return text
    ours = [i for i in ids if i.startswith("sparsectl/")]
    return f" (bundled: {', '.join(ours)})"


def _flat_observations(env: gymnasium.Env, env_id: str) -> gymnasium.Env:
    space = env.observation_space
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return env
    other = _not_box(space, "observation")
    if other is not None:
        raise ConfigError(
            f"environment '{env_id}': {other}; the state must be real numbers: expected a Box, "
            "or a Dict or Tuple of Boxes"
        )
    return FlattenObservation(env)


def _not_box(space: spaces.Space, where: str) -> str | None:
    """What part of a space is neither a Box nor a Dict or Tuple of Boxes, or None."""
    if isinstance(space, spaces.Box):
        return None
    if isinstance(space, spaces.Dict):
        parts = [(f"{where}['{k}']", s) for k, s in space.spaces.items()]
    elif isinstance(space, spaces.Tuple):
        parts = [(f"{where}[{i}]", s) for i, s in enumerate(space.spaces)]
    else:
        return f"{where} has space {space}"
    return next((found for w, s in parts if (found := _not_box(s, w)) is not None), None)


def _flat_actions(env: gymnasium.Env, env_id: str) -> gymnasium.Env:
    space = env.action_space
    if not isinstance(space, spaces.Box):
        raise ConfigError(
            f"environment '{env_id}' has action space {space}: planning needs continuous "
            "actions (a Box)"
        )
    return env if len(space.shape) == 1 else FlattenAction(env)


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
