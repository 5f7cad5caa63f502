"""SwimTarget: a chain of links swims to a place and stays there.

Observation, Box(4 links + 1,), float64, for J = links - 1 joints: that of Swim with the target
after the angles:

| entries | meaning                                                                  |
|---------|--------------------------------------------------------------------------|
| 0:J     | joint angles [rad]                                                       |
| J:J+2   | way from the nose to the target along the head's x and y axis [m]; what  |
|         | is ahead has a negative y                                                |
| J+2:    | for every link: velocity along its own x and y axis [m/s], spin [rad/s]  |

Action, sensors, state and model are those of Swim. Reward: 1 where the nose is within 0.1 m of
the target, 1 / (1 + (6 d)^2) at d metres outside. `info["error"]` is the distance of nose and
target [m], `info["is_success"]` says that it is at most 0.1 m.

Targets are uniform in a square of 2 m to all sides of where the head starts, every fifth in one of
0.3 m, as in the `swimmer6` task of the DeepMind Control Suite (Tassa et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import mujoco
import numpy as np

from ..base import Picture
from . import kinematics
from .base import Swimming
from .picture import draw_target
from .task import SwimTask

RADIUS = 0.1
"""Radius of the target [m]."""
FAR, CLOSE = 2.0, 0.3
"""Half sides of the squares that targets are drawn from [m]."""
CLOSE_SHARE = 0.2
"""Share of targets that are drawn from the small square."""
_DECAY = 6.0


class TargetTask(SwimTask):
    """Bring the nose to a target; an episode's vector is the target's place and the key."""

    extras = 3
    seen = 2
    view = 2.6

    def aim(self, rng: np.random.Generator) -> np.ndarray:
        """Place of the target. Shape (2,) [m]."""
        side = CLOSE if rng.uniform() < CLOSE_SHARE else FAR
        return rng.uniform(-side, side, 2)

    def look(self, qpos: np.ndarray, episode: np.ndarray) -> np.ndarray:
        """The target from the nose, along the head's axes. Shape (..., 2) [m]."""
        return kinematics.from_nose(qpos, episode[..., :2])

    def error(self, observation: np.ndarray) -> np.ndarray:
        """Distance of nose and target [m]. Shape (...)."""
        return np.linalg.norm(observation[..., self.joints : self.joints + 2], axis=-1)

    def success(self, observation: np.ndarray) -> np.ndarray:
        """Whether the nose is on the target. Shape (...), bool."""
        return self.error(observation) <= RADIUS

    def reward(self, observation: np.ndarray) -> np.ndarray:
        """1 on the target, falling to 0.1 at half a metre outside. Shape (...)."""
        outside = np.maximum(self.error(observation) - RADIUS, 0.0)
        return 1.0 / (1.0 + (_DECAY * outside) ** 2)


class SwimTargetEnv(Swimming):
    """Swim to a target; see the module's text.

    Args:
        links: number of links, 3 to 32.
        density: of the fluid [kg/m^3], up to 1e4.
        viscosity: of the fluid [Pa s], up to 10.
        lost_sensors: joints whose angle reads 0.
        sensor_noise: standard deviation of observed angles [rad].
    """

    def __init__(
        self,
        links: int = 6,
        density: float = 3000.0,
        viscosity: float = 0.0,
        lost_sensors: Sequence[int] = (),
        sensor_noise: float = 0.0,
        **picture: Unpack[Picture],
    ) -> None:
        task = TargetTask(links, density, viscosity, lost_sensors, sensor_noise)
        super().__init__(task, **picture)

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        super()._decorate(scene)
        draw_target(scene, kinematics.nose(self._data.qpos), self._episode[:2], RADIUS)
