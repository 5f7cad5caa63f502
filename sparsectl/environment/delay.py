"""Environments whose actions act late, or whose observations come late."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from sparsectl.errors import ConfigError, nearest

_KEYS = ("actions", "observations")
_MOST = 100


def apart(kwargs: Mapping[str, Any] | None) -> tuple[dict[str, Any], Any, Mapping[str, Any]]:
    """An environment's own arguments, the options of its resets (or None), and its latency."""
    own = dict(kwargs or {})
    options = own.pop("reset_options", None)
    # One that is no mapping is an argument of the environment's own.
    late = own.pop("delay") if isinstance(own.get("delay"), Mapping) else {}
    return own, options, late


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
        for name, value in steps.items():
            if name not in _KEYS:
                raise ConfigError(f"env.kwargs.delay: unknown key '{name}'" + nearest(name, _KEYS))
            if type(value) is not int or not 0 <= value <= _MOST:
                raise ConfigError(
                    f"env.kwargs.delay: {name} is {value!r}, expected whole steps from 0 to {_MOST}"
                )
        self._late = {name: int(steps.get(name, 0)) for name in _KEYS}
        self._actions: deque[Any] = deque()
        self._observations: deque[Any] = deque()

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """Of the environment inside."""
        return self.env.spec

    def reset(self, **how: Any) -> tuple[Any, dict[str, Any]]:
        """First observation and info."""
        observation, info = self.env.reset(**how)
        box: Any = self.env.action_space
        idle = np.clip(np.zeros(box.shape), box.low, box.high).astype(box.dtype)
        self._actions = deque([idle] * self._late["actions"])
        first = np.array(observation)
        self._observations = deque([first] * self._late["observations"])
        return first.copy(), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step, under the action that is due."""
        self._actions.append(np.array(action))
        observation, *rest, info = self.env.step(self._actions.popleft())
        self._observations.append(np.array(observation))
        return self._observations.popleft(), *rest, info  # type: ignore[return-value]
