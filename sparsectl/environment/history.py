"""Environments whose observations go back in time: earlier ones, and earlier actions."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sparsectl.environment.delay import idle, steps_of


class History(gymnasium.Wrapper):
    """The same environment, which also shows earlier observations and actions.

    An observation is [o_t, o_(t-1), ..., u_(t-1), u_(t-2), ...]: for a plant of which a part is
    hidden, such as speeds. Before the first step all observations are the first one and all
    actions the one nearest to zero.

    Args:
        env: flat, see `environment.make`.
        steps: how many earlier `observations` and `actions`.

    Raises:
        ConfigError: other names, or no whole numbers from 0 to 100.
    """

    def __init__(self, env: gymnasium.Env, steps: Mapping[str, Any]) -> None:
        super().__init__(env)
        self.steps = steps_of("history", steps)
        seen: Any = env.observation_space
        box: Any = env.action_space
        many = 1 + self.steps["observations"], self.steps["actions"]
        low, high = (
            np.concatenate([*[getattr(seen, side)] * many[0], *[getattr(box, side)] * many[1]])
            for side in ("low", "high")
        )
        both = np.result_type(seen.dtype, box.dtype)  # whole numbers have no room for actions
        self.observation_space = spaces.Box(low, high, dtype=both)
        self._seen: deque[np.ndarray] = deque(maxlen=many[0])
        self._done: deque[np.ndarray] = deque(maxlen=many[1])

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """Of the environment inside."""
        return self.env.spec

    def reset(self, **how: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """First observation and info."""
        observation, info = self.env.reset(**how)
        self._seen.extend([np.array(observation)] * (1 + self.steps["observations"]))
        self._done.extend([idle(self.env.action_space)] * self.steps["actions"])
        return self._told(), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        observation, *rest, info = self.env.step(action)
        self._seen.appendleft(np.array(observation))
        self._done.appendleft(np.array(action))
        return self._told(), *rest, info  # type: ignore[return-value]

    def _told(self) -> np.ndarray:
        parts = [*self._seen, *self._done]
        return np.concatenate(parts).astype(self.observation_space.dtype)
