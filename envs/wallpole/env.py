"""WallPole: keep a pole upright on a weak cart, with two soft walls to lean on.

After the benchmark of Marcucci and Tedrake (2021), "Warm start of mixed-integer programs for model
predictive control of hybrid systems", with the exact equations in place of their linear ones.

Observation, Box(4,), float64:

| entries | meaning                                                     |
|---------|-------------------------------------------------------------|
| 0       | position of the cart [m]                                    |
| 1       | angle of the pole [rad]; 0 is upright, positive to the right |
| 2, 3    | their velocities [m/s], [rad/s]                             |

Action, Box(-1, 1, (1,), float32): force on the cart, 1 N per unit, for a control step of 0.05 s.

Reward: minus the error. An episode never terminates; it is truncated after 60 steps. In `info`:

| key          | meaning                                                                  |
|--------------|--------------------------------------------------------------------------|
| `error`      | mean distance of the cart and of the pole's tip to where they are        |
|              | upright in the middle [m]                                                |
| `is_success` | that is under 0.05 m, and both velocities are under 0.1 m/s and 0.1 rad/s |

Starts are even in the box |position| <= 0.5 m, |angle| <= pi/10, velocities <= 1. From many of
them no force keeps the state in it: the pole weighs ten times what the cart can push. From
others only a lean on a wall does. `reset(options={"state": [...]})` chooses the start.

Model: cart and tip of 1 kg each, a massless pole of 1 m, no friction, gravity of 10 m/s^2. A wall
begins 0.5 m from the middle, on either side; it pushes the tip away with 100 N/m and 10 N s/m,
only while the tip is in it, and never pulls. Positions and velocities are the whole state.
"""

from __future__ import annotations

from typing import Any, Unpack

import mujoco
import numpy as np

from ..base import BundledTask, Picture
from ..collection import Explorer
from ..rendering import ghost_ball
from .exploration import Balancer
from .scene import LENGTH, SUBSTEPS, TIMESTEP, build

LIMITS = np.array([0.5, np.pi / 10, 1.0, 1.0])
"""Starts are drawn within +-LIMITS, and states are to stay there."""
SUCCESS = (0.05, 0.1)
"""Largest error [m] and velocities [m/s], [rad/s] of a success."""


class WallPoleEnv(BundledTask):
    """Keep a pole upright with two walls to lean on; see the module's text."""

    def __init__(self, **picture: Unpack[Picture]) -> None:
        self.control_seconds = SUBSTEPS * TIMESTEP
        super().__init__(np.array([10.0, 100.0, 50.0, 100.0]), 1, build(), "side", **picture)

    def _begin(self, rng: np.random.Generator) -> None:
        self._restore(rng.uniform(-LIMITS, LIMITS))

    def _advance(self, action: np.ndarray) -> None:
        self._data.ctrl[0] = action[0]
        self._data.qacc_warmstart[:] = 0.0  # so that position and velocity are the whole state
        mujoco.mj_step(self._model, self._data, SUBSTEPS)

    def _observe(self) -> np.ndarray:
        return self._saved()

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        error = _distance(observation)
        slow = bool((abs(observation[2:]) < SUCCESS[1]).all())
        return {"is_success": slow and error < SUCCESS[0], "error": error}

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        ghost_ball(scene, np.array([0.0, 0.2, LENGTH]), SUCCESS[0])

    def _explorer(self, rng: np.random.Generator, steps: int) -> Explorer:
        """Balances, more or less well."""
        return Balancer(rng, steps)


def _distance(observation: np.ndarray) -> float:
    """Mean distance of cart and tip to where they are upright in the middle [m]."""
    position, angle = observation[:2]
    tip = np.hypot(position + LENGTH * np.sin(angle), LENGTH * (1.0 - np.cos(angle)))
    return float((abs(position) + tip) / 2)
