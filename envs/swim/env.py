"""Swim: a chain of links swims forward in a dense fluid.

Observation, Box(4 links - 1,), float64, for J = links - 1 joints:

| entries | meaning                                                               |
|---------|-----------------------------------------------------------------------|
| 0:J     | joint angles [rad], the head's first; positive bends anticlockwise    |
| J:      | for every link, the head first: velocity of its centre along its own  |
|         | x and y axis [m/s] and spin [rad/s]; -y is forward                    |

Action, Box(-1, 1, (J,), float32): torques of the joints, 5e-4 N m per unit, for a control step of
0.03 s.

Reward: forward speed of the head along its own axis by `desired_speed`, cut to [0, 1]; any
heading will do. An episode never terminates; it is truncated after 1000 steps. In `info`:

| key          | meaning                                            |
|--------------|----------------------------------------------------|
| `error`      | speed that is short of the desired one [m/s]       |
| `is_success` | the head is at least as fast as desired            |
| `speed`      | forward speed of the head [m/s]                    |
| `diverged`   | the simulation broke down, see below               |

It starts at rest in any pose. `lost_sensors` are joints whose angle reads 0; `sensor_noise` is the
standard deviation of observed angles [rad], a new draw for every joint and step; rewards and info
are of the true state. A simulation whose numbers grow beyond all bounds stays where it was sound,
and its reward is 0 from then on.

Model: the swimmer of the DeepMind Control Suite (Tassa et al. 2018) with any number of links; the
forward task and its reward are those of Bhattasali, Zador and Engel (2022), with 6 links. Links
are 0.1 m long and do not collide. Position and velocity are the whole state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from ..base import Picture
from .base import Swimming
from .task import SwimTask


class SwimEnv(Swimming):
    """Swim forward; see the module's text.

    Args:
        links: number of links, 3 to 32.
        density: of the fluid [kg/m^3], up to 1e4.
        viscosity: of the fluid [Pa s], up to 10.
        desired_speed: speed of the full reward [m/s].
        lost_sensors: joints whose angle reads 0.
        sensor_noise: standard deviation of observed angles [rad].
    """

    def __init__(
        self,
        links: int = 6,
        density: float = 3000.0,
        viscosity: float = 0.0,
        desired_speed: float = 0.1,
        lost_sensors: Sequence[int] = (),
        sensor_noise: float = 0.0,
        **picture: Unpack[Picture],
    ) -> None:
        task = SwimTask(links, density, viscosity, lost_sensors, sensor_noise, desired_speed)
        super().__init__(task, **picture)
