"""Flyer: fly a disc with jets that are on or off among boxes, and through a door when it is open.

Observation, Box(60,), float64:

| entries | meaning                                                                      |
|---------|------------------------------------------------------------------------------|
| 0:2     | position of the disc's middle; the arena's middle is the origin [m]          |
| 2:4     | velocity [m/s]                                                               |
| 4:6     | goal [m]                                                                     |
| 6:50    | boxes: x0, y0, x1, y1 of up to 11; those not there are zeros [m]             |
| 50:54   | the door as a box; zeros if there is none [m]                                |
| 54:60   | when the door is closed: first and last control step, from now, of up to 3   |
|         | intervals; one that is not there ends before it begins                       |

Action, MultiDiscrete([3, 3], start=[-1, -1]): the jets of each axis, -1, 0 or 1; one jet
accelerates by 0.12 m/s^2 for a control step of 0.75 s. Dry friction of 0.02 m/s^2 and a little
damping brake either axis.

Reward: minus the cost of the step, 0.1 for a jet and 0.05 per metre of L1 distance to the goal.
An episode ends at success, and is truncated after 60 steps. In `info`:

| key          | meaning                                                                     |
|--------------|-----------------------------------------------------------------------------|
| `error`      | distance to the goal [m]                                                    |
| `is_success` | that is under 0.06 m and the disc is slower than 0.05 m/s                   |
| `contact`    | whether the disc touched something in the last step, or kept the door open  |
| `fuel`       | jets fired so far                                                           |
| `cost`       | of the last step                                                            |

The disc has a radius of 0.1 m, the arena 3.66 x 2.74 m. With a door, a wall crosses the arena: its
doorway opens twice, and a gap that is always open is the longer way. The door is solid during a
control step if it is closed at its beginning and at its end; it does not close on a disc. The task
also limits the speed to 0.2 m/s of each axis, which the simulation does not.

Data are collected without boxes, door and walls: what is learnt is how the disc flies, and the
planner is told where it must not.
"""

from __future__ import annotations

from typing import Any, Unpack

import mujoco
import numpy as np
from gymnasium.spaces import MultiDiscrete

from ..base import BundledTask, Picture
from ..check import checked_count, checked_flag
from ..collection import Explorer
from ..errors import TaskError
from ..rendering import ghost_capsule, ghost_disc
from .exploration import Wanderer
from .layout import FEWEST_BOXES, MOST_BOXES, NEVER, RADIUS, SIZE, WINDOWS, Layout, draw_layout
from .scene import SUBSTEPS, TIMESTEP, build, close, empty, furnish

SUCCESS = (0.06, 0.05)
"""Largest distance [m] and speed [m/s] of a success."""
FUEL_PRICE, DISTANCE_PRICE = 0.1, 0.05
"""Cost of a jet in one step, and of a metre of L1 distance and step."""
_MORE = 7
_JAM = 0.005
_FLAME = np.array([0.95, 0.55, 0.15, 0.9], dtype=np.float32)
_TRAIL = np.array([0.23, 0.44, 0.68, 0.5], dtype=np.float32)


class FlyerEnv(BundledTask):
    """Fly a disc with on/off jets among boxes and through a door; see the module's text.

    Args:
        boxes: how many, 7 to 11; with a door, three of them are the wall that it is in.
    """

    def __init__(
        self, boxes: int = MOST_BOXES, door: bool = True, **picture: Unpack[Picture]
    ) -> None:
        self.boxes = checked_count("boxes", boxes, FEWEST_BOXES, MOST_BOXES)
        self.door = checked_flag("door", door)
        self.control_seconds = SUBSTEPS * TIMESTEP
        limit = [10.0] * 2 + [10.0] * 2 + [2.0] * (6 + 4 * MOST_BOXES) + [2 * NEVER] * 2 * WINDOWS
        picture.setdefault("width", 640)
        super().__init__(np.array(limit), 2, build(), **picture)
        self.action_space = MultiDiscrete([3, 3], start=[-1, -1])  # type: ignore[assignment]
        self._open = False
        nothing = np.zeros(SIZE)
        self._step, self._fuel, self._touched, self._jets = 0, 0.0, False, np.zeros(2)
        self._layout, self._trail = Layout.of(nothing), [np.zeros(2)]

    def _begin(self, rng: np.random.Generator) -> None:
        layout = draw_layout(rng, self.boxes, self.door)
        self._restore(np.concatenate([layout.vector(), layout.start, np.zeros(_MORE)]))

    def _advance(self, action: np.ndarray) -> None:
        if not np.isin(action, (-1.0, 0.0, 1.0)).all():
            raise TaskError(f"action {action.tolist()}: jets are -1, 0 or 1")
        data = self._data
        now, then = self._layout.shut(self._step), self._layout.shut(self._step + 1)
        jam = now and then and self._in_doorway()
        close(self._model, now and then and not jam)
        if self._open:
            jam = False
            empty(self._model)
        data.ctrl[:] = action
        data.qacc_warmstart[:] = 0.0
        self._touched = jam
        for _ in range(SUBSTEPS):
            mujoco.mj_step(self._model, data)
            self._touched |= data.ncon > 0
        self._step += 1
        self._fuel += float(np.abs(action).sum())
        self._jets = action
        self._trail.append(data.qpos.copy())
        close(self._model, then)

    def _in_doorway(self) -> bool:
        """Whether the disc is where the door would be."""
        door, here = self._layout.door, self._data.qpos
        beyond = np.maximum(door[:2] - here, here - door[2:]).clip(min=0.0)
        return bool(np.linalg.norm(beyond) < RADIUS - _JAM)

    def _observe(self) -> np.ndarray:
        layout, data = self._layout, self._data
        parts = [data.qpos, data.qvel, layout.goal, layout.boxes.ravel(), layout.door]
        return np.concatenate([*parts, (layout.closed - self._step).ravel()])

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        offset = observation[:2] - observation[4:6]
        error, speed = np.linalg.norm(offset), np.linalg.norm(observation[2:4])
        used = FUEL_PRICE * np.abs(self._jets).sum()
        return {
            "error": float(error),
            "is_success": bool(error < SUCCESS[0] and speed < SUCCESS[1]),
            "contact": bool(self._touched),
            "fuel": self._fuel,
            "cost": float(used + DISTANCE_PRICE * np.abs(offset).sum()),
        }

    def _reward(self, info: dict[str, Any]) -> float:
        return -float(info["cost"])

    def _ended(self, info: dict[str, Any]) -> bool:
        return bool(info["is_success"])

    def _saved(self) -> np.ndarray:
        rest = [self._step, self._fuel, self._touched, *self._jets]
        return np.concatenate([self._layout.vector(), super()._saved(), rest])

    def _restore(self, state: np.ndarray) -> None:
        self._layout = Layout.of(state[:SIZE])
        super()._restore(state[SIZE : SIZE + 4])
        step, self._fuel, touched, *jets = state[SIZE + 4 :].tolist()
        self._step, self._touched, self._jets = int(step), bool(touched), np.array(jets)
        self._trail = [self._data.qpos.copy()]
        furnish(self._model, self._layout)
        close(self._model, self._layout.shut(self._step))

    def _explorer(self, rng: np.random.Generator, steps: int) -> Explorer:
        return Wanderer(rng, steps, self.control_seconds)

    def _collect(self, seeds: np.ndarray, steps: int, workers: int) -> dict[str, np.ndarray]:
        """In the open, by a copy without anything to touch: this one's own scene stays."""
        if not self._open:
            other = FlyerEnv(self.boxes, self.door)
            other._open = True
            return other._collect(seeds, steps, workers)
        return super()._collect(seeds, steps, workers)

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        ghost_disc(scene, self._layout.goal, RADIUS, 0.002)
        for one, two in zip(self._trail[:-1], self._trail[1:], strict=True):
            ghost_capsule(scene, one, two, 0.008, 0.004, _TRAIL)
        here = self._data.qpos
        for axis, jet in enumerate(np.eye(2) * -self._jets[:, None]):
            if self._jets[axis]:
                ghost_capsule(
                    scene, here + RADIUS * jet, here + 1.7 * RADIUS * jet, 0.02, 0.05, _FLAME
                )
