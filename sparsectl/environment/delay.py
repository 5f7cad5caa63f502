"""Environments whose actions act late, or whose observations come late."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from sparsectl.errors import ConfigError, one_of

KEYS = ("actions", "observations")
_MOST = 100


def steps_of(what: str, steps: Mapping[str, Any]) -> dict[str, int]:
    """Whole steps of `actions` and `observations`, 0 where nothing is said.

    Raises:
        ConfigError: other names, or no whole numbers from 0 to 100.
    """
    for name, value in steps.items():
        one_of(name, KEYS, f"env.kwargs.{what}: unknown key")
        if type(value) is not int or not 0 <= value <= _MOST:
            raise ConfigError(
                f"env.kwargs.{what}: {name} is {value!r}, expected whole steps from 0 to {_MOST}"
            )
    return {name: int(steps.get(name, 0)) for name in KEYS}


def idle(space: gymnasium.Space) -> np.ndarray:
    """The action of a box that is nearest to zero."""
    box: Any = space
    return np.clip(np.zeros(box.shape), box.low, box.high).astype(box.dtype)


class Delay(gymnasium.Wrapper):
    """The same environment with latency, in whole steps.

    Until the first action arrives, the one nearest to zero acts; until the first observation of
    later arrives, the one of the reset is seen. Rewards and ends are not late.

    Args:
        env: flat, see `environment.make`.
        steps: how many steps late, by `actions` and `observations`.

    Raises:
        ConfigError: other names, or no whole numbers from 0 to 100.
    """

    def __init__(self, env: gymnasium.Env, steps: Mapping[str, Any]) -> None:
        super().__init__(env)
        self._late = steps_of("delay", steps)
        self._actions: deque[Any] = deque()
        self._observations: deque[Any] = deque()

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """Of the environment inside."""
        return self.env.spec

    def reset(self, **how: Any) -> tuple[Any, dict[str, Any]]:
        """First observation and info."""
        observation, info = self.env.reset(**how)
        self._actions = deque([idle(self.env.action_space)] * self._late["actions"])
        first = np.array(observation)
        self._observations = deque([first] * self._late["observations"])
        return first.copy(), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step, under the action that is due."""
        self._actions.append(np.array(action))
        observation, *rest, info = self.env.step(self._actions.popleft())
        self._observations.append(np.array(observation))
        return self._observations.popleft(), *rest, info  # type: ignore[return-value]
