"""CartPole: swing a pole up on a cart and keep it upright, with a continuous force.

Observation, Box(5,), float64:

| entries | meaning                                                    |
|---------|------------------------------------------------------------|
| 0       | position of the cart [m]                                   |
| 1       | its velocity [m/s]                                         |
| 2, 3    | sine and cosine of the pole's angle; 0, 1 is upright       |
| 4       | the pole's angular velocity [rad/s], positive to the right |

Action, Box(-1, 1, (1,), float32): force on the cart, 6 N per unit, for a control step of 0.1 s.

Reward: minus the error. An episode never terminates; it is truncated after 60 steps. In `info`:

| key          | meaning                                                              |
|--------------|----------------------------------------------------------------------|
| `error`      | distance of the pole's tip to where it is upright above the rail's   |
|              | middle [m]; sine and cosine make it linear in the observation        |
| `is_success` | the tip is within 0.1 m of that and the pole turns at under 1 rad/s  |

`start` is `hanging` or `upright`. The force is too weak and the rail too short to bring the pole
up in one go: from hanging, it must be swung both ways, first away from where it should go.
Buffers stop the cart 0.6 m from the middle, so the dynamics are not smooth: a blow against a
buffer is a kink, and a way to swing the pole.

Model: cart of 1 kg, even rod of 0.1 kg and 0.6 m, a little friction. Position, angle and both
velocities are the whole state.
"""

from __future__ import annotations

from typing import Any, Unpack

import mujoco
import numpy as np

from ..base import BundledTask, Picture
from ..check import checked_choice
from ..collection import Explorer
from ..rendering import ghost_ball
from .exploration import Swinger
from .scene import LENGTH, SUBSTEPS, TIMESTEP, build, tip

STARTS = ("hanging", "upright")
"""Names of the start distributions."""
SUCCESS = (0.1, 1.0)
"""Largest distance of the tip [m] and largest angular velocity [rad/s] of a success."""
_GOAL = np.array([0.0, LENGTH])


class CartPoleEnv(BundledTask):
    """Swing a pole up and balance it; see the module's text.

    Args:
        start: distribution of starts, `hanging` or `upright`.
    """

    def __init__(self, start: str = "hanging", **picture: Unpack[Picture]) -> None:
        checked_choice("start", start, STARTS)
        self.start = start
        self.control_seconds = SUBSTEPS * TIMESTEP
        limit = np.array([1.0, 20.0, 1.0, 1.0, 100.0])
        super().__init__(limit, 1, build(), "side", **picture)

    def _begin(self, rng: np.random.Generator) -> None:
        """At rest, near the middle of the rail."""
        lowest = np.pi if self.start == "hanging" else 0.0
        position, angle = rng.uniform([-0.3, -0.3], [0.3, 0.3])
        self._restore(np.array([position, lowest + angle, 0.0, 0.0]))

    def _advance(self, action: np.ndarray) -> None:
        self._data.ctrl[0] = action[0]
        self._data.qacc_warmstart[:] = 0.0  # so that position and velocity are the whole state
        mujoco.mj_step(self._model, self._data, SUBSTEPS)

    def _observe(self) -> np.ndarray:
        (position, angle), (velocity, spin) = self._data.qpos, self._data.qvel
        return np.array([position, velocity, np.sin(angle), np.cos(angle), spin])

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        error = float(_distance(observation))
        success = error < SUCCESS[0] and abs(observation[4]) < SUCCESS[1]
        return {"is_success": bool(success), "error": error}

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        ghost_ball(scene, np.array([0.0, 0.2, LENGTH]), SUCCESS[0])

    def _explorer(self, rng: np.random.Generator, steps: int) -> Explorer:
        """Swings up and balances, with noise."""
        return Swinger(rng, steps)


def _distance(observations: np.ndarray) -> np.ndarray:
    """Distance of the tip to its goal [m]. Shape (...), of observations (..., 5)."""
    offset = tip(observations[..., 0], observations[..., 2], observations[..., 3]) - _GOAL
    return np.linalg.norm(offset, axis=-1)
