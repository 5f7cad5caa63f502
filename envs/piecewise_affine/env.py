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

from typing import Any, Unpack

import numpy as np
from gymnasium.utils.seeding import np_random

from ..base import BundledTask, Picture
from ..check import checked_count
from .picture import draw
from .system import build

SUCCESS = 0.05
"""Largest distance to the origin of a success."""
_NEAREST_START = 0.3


class PiecewiseAffineEnv(BundledTask):
    """Steer a known piecewise-affine system to the origin; see the module's text.

    Args:
        states: size of x, at most 16.
        actions: size of u, at most 16.
        system_seed: which random system.
    """

    def __init__(
        self,
        states: int = 2,
        actions: int = 1,
        system_seed: int = 0,
        **picture: Unpack[Picture],
    ) -> None:
        self.states = checked_count("states", states, 1, 16)
        self.actions = checked_count("actions", actions, 1, 16)
        self.system = build(states, actions, checked_count("system_seed", system_seed, 0))
        super().__init__(np.full(self.states, self.system.radius), self.actions, **picture)
        self._x = np.zeros(self.states)
        self._trail: list[np.ndarray] = []

    def _begin(self, rng: np.random.Generator) -> None:
        self._restore(self._start(rng))

    def _advance(self, action: np.ndarray) -> None:
        self._x = self.system(self._x, action)
        self._trail.append(self._x)

    def _observe(self) -> np.ndarray:
        return self._x.copy()

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        error = float(np.linalg.norm(observation))
        return {"is_success": error < SUCCESS, "error": error}

    def _saved(self) -> np.ndarray:
        return self._x.copy()

    def _restore(self, state: np.ndarray) -> None:
        self._x, self._trail = state, [state]

    def _picture(self) -> np.ndarray:
        """The plane of the first two states."""
        shown = min(self.states, 2)
        trail, kinks = np.zeros((len(self._trail), 2)), np.zeros((len(self.system.b), 2))
        trail[:, :shown] = np.array(self._trail)[:, :shown]
        if self.states <= 2:  # in more dimensions a kink is not a line of this plane
            kinks[:, :shown] = self.system.W[:, :shown]
        return draw(trail, kinks, self.system.b, 1.5, *self._size)

    def _collect(self, seeds: np.ndarray, steps: int, workers: int) -> dict[str, np.ndarray]:
        """Episodes with random actions, all in one array operation."""
        rngs = [np.random.default_rng([s, 1]) for s in seeds]
        actions = np.stack([r.uniform(-1, 1, (steps, self.actions)) for r in rngs])
        actions = actions.astype(np.float32)
        states = [np.stack([self._start(np_random(int(s))[0]) for s in seeds])]
        for t in range(steps):
            states.append(self.system(states[-1], actions[:, t].astype(np.float64)))
        observations = np.stack(states, axis=1)
        rewards = -np.linalg.norm(observations[:, 1:], axis=-1)
        return {"observations": observations, "actions": actions, "rewards": rewards}

    def _start(self, rng: np.random.Generator) -> np.ndarray:
        while True:
            x = rng.uniform(-1.0, 1.0, self.states)
            if np.linalg.norm(x) >= _NEAREST_START:
                return x
