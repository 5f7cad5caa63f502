"""PiecewiseAffine: steer a known piecewise-affine system to the origin.

The dynamics are a ReLU network with 2 * states neurons whose weights are known
(`env.unwrapped.system`), so that a learned model, a bound or a plan can be compared with the truth.

Observation, Box(states,), float64: the state x, without unit; the goal is the origin.

Action, Box(-1, 1, (actions,), float32).

Reward: minus the Euclidean distance of the state to the origin. An episode never terminates; it
is truncated after 50 steps. `info["error"]` is that distance, `info["is_success"]` says that it is
under 0.05. Starts are even in the unit box, at least 0.3 from the origin, which is unstable.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random

from ..check import (
    checked_action,
    checked_choice,
    checked_count,
    checked_picture,
    checked_state,
)
from ..collection import episode_seeds
from .picture import draw
from .system import build

SUCCESS = 0.05
"""Largest distance to the origin of a success."""
_NEAREST_START = 0.3


class PiecewiseAffineEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Steer a known piecewise-affine system to the origin; see the module's text.

    Args:
        states: size of x, at most 16.
        actions: size of u, at most 16.
        system_seed: which random system.
        render_mode: `rgb_array` or None.
        width: of pictures [pixels].
        height: of pictures [pixels].

    Attributes:
        system: the dynamics and their weights.

    Raises:
        TaskError: an argument has a wrong type or value.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        states: int = 2,
        actions: int = 1,
        system_seed: int = 0,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
    ) -> None:
        checked_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        checked_picture(width, height)
        self.states = checked_count("states", states, 1, 16)
        self.actions = checked_count("actions", actions, 1, 16)
        self.system = build(states, actions, checked_count("system_seed", system_seed, 0))
        self.render_mode = render_mode
        self._size = (width, height)
        radius = self.system.radius
        self.observation_space = Box(-radius, radius, (states,), np.float64)
        self.action_space = Box(-1.0, 1.0, (actions,), np.float32)
        self._x: np.ndarray | None = None
        self._trail: list[np.ndarray] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a start. `options` are ignored."""
        super().reset(seed=seed)
        return self.set_state(self._start(self.np_random)), self._info()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step of the system. Actions beyond [-1, 1] are clipped.

        Raises:
            TaskError: the action has another shape or is not finite.
        """
        if self._x is None:
            raise ResetNeeded("call reset() or set_state() before step()")
        action = np.clip(checked_action(action, self.actions), -1.0, 1.0)
        self._x = self.system(self._x, action)
        self._trail.append(self._x)
        info = self._info()
        return self._x.copy(), -info["error"], False, False, info

    def render(self) -> np.ndarray | None:
        """The plane of the first two states, (height, width, 3), uint8; None without a mode."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode='rgb_array' at make()")
            return None
        if not self._trail:
            raise ResetNeeded("call reset() or set_state() before render()")
        shown = min(self.states, 2)
        trail, kinks = np.zeros((len(self._trail), 2)), np.zeros((len(self.system.b), 2))
        trail[:, :shown] = np.array(self._trail)[:, :shown]
        if self.states <= 2:  # in more dimensions a kink is no line of this plane
            kinks[:, :shown] = self.system.W[:, :shown]
        return draw(trail, kinks, self.system.b, 1.5, *self._size)

    def get_state(self) -> np.ndarray:
        """The state x. Shape (states,)."""
        if self._x is None:
            raise ResetNeeded("call reset() before get_state()")
        return self._x.copy()

    def set_state(self, state: np.ndarray) -> np.ndarray:
        """Continue from a state; returns the observation.

        Raises:
            TaskError: the state has another size or is not finite.
        """
        self._x = checked_state(state, self.states).copy()
        self._trail = [self._x]
        return self._x.copy()

    def collect_episodes(
        self, episodes: int, steps: int, seed: int, workers: int = 1
    ) -> dict[str, np.ndarray]:
        """Episodes with random actions; this environment's own episode is untouched.

        Episode i starts as `reset(seed=seeds[i])` does.

        Args:
            episodes: E.
            steps: T, in every episode.
            seed: of the whole collection.
            workers: not used; all episodes are one array operation.

        Returns:
            `observations` (E, T+1, nx), `actions` (E, T, nu), `rewards` (E, T), `seeds` (E,).
        """
        seeds = episode_seeds(seed, episodes, steps, workers)
        actions = np.stack(
            [np.random.default_rng([s, 1]).uniform(-1, 1, (steps, self.actions)) for s in seeds]
        ).astype(np.float32)
        x = np.stack([self._start(np_random(int(s))[0]) for s in seeds])
        states = [x]
        for t in range(steps):
            x = self.system(x, actions[:, t].astype(np.float64))
            states.append(x)
        observations = np.stack(states, axis=1)
        return {
            "observations": observations,
            "actions": actions,
            "rewards": -np.linalg.norm(observations[:, 1:], axis=-1),
            "seeds": seeds,
        }

    def _start(self, rng: np.random.Generator) -> np.ndarray:
        while True:
            x = rng.uniform(-1.0, 1.0, self.states)
            if np.linalg.norm(x) >= _NEAREST_START:
                return x

    def _info(self) -> dict[str, Any]:
        error = float(np.linalg.norm(self._x))  # type: ignore[arg-type]
        return {"is_success": error < SUCCESS, "error": error}
