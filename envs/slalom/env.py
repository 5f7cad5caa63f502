"""Slalom: fly a disc through the narrow gaps of three walls, with thrust and drag.

Observation, Box(30,), float64:

| entries | meaning                                                           |
|---------|-------------------------------------------------------------------|
| 0:2     | position of the disc's middle; the room's middle is the origin [m] |
| 2:4     | velocity [m/s]                                                    |
| 4:6     | goal [m]                                                          |
| 6:30    | both halves of every wall as boxes: x0, y0, x1, y1 [m]            |

Action, Box(-1, 1, (2,), float32): thrust along each axis, 1.5 m/s^2 per unit, for a control step of
0.2 s. Drag slows either axis by 0.5 |v| v.

Reward: minus the error. An episode ends at success, and is truncated after 40 steps. In `info`:

| key          | meaning                                                          |
|--------------|------------------------------------------------------------------|
| `error`      | distance to the goal [m]                                         |
| `is_success` | that is under 0.08 m and the disc is slower than 0.2 m/s         |
| `contact`    | whether the disc touched something in the last step              |

The disc has a radius of 0.035 m, the room 2.4 x 1.6 m; walls are 0.05 m thick and their gaps 0.2 m
wide, in turn left and right of the straight way. Walls do not move: they are boxes of the goal that
keep-outs name. Data are collected without anything to touch: what is learnt is how the disc flies.
"""

from __future__ import annotations

from typing import Any, Unpack

import mujoco
import numpy as np

from ..base import BundledTask, Picture
from ..collection import Explorer, held
from ..rendering import ghost_capsule, ghost_disc
from .scene import DRAG, RADIUS, SUBSTEPS, TIMESTEP, WALLS, boxes, build, clear, furnish

SUCCESS = (0.08, 0.2)
"""Largest distance [m] and speed [m/s] of a success."""
GOAL = np.array([1.0, 0.0])
_START, _SIDE = -1.0, 0.3
_GAPS = (0.15, 0.4)
_SPEED, _CHANGE, _NOISE = 1.6, 0.25, 0.3
_TRAIL = np.array([0.23, 0.44, 0.68, 0.5], dtype=np.float32)


class SlalomEnv(BundledTask):
    """Fly a disc through three gaps; see the module's text."""

    def __init__(self, **picture: Unpack[Picture]) -> None:
        self.control_seconds = SUBSTEPS * TIMESTEP
        limit = np.array([10.0] * 4 + [2.0] * (2 + 8 * len(WALLS)))
        picture.setdefault("width", 640)
        super().__init__(limit, 2, build(), **picture)
        self._gaps, self._touched, self._open = np.zeros(len(WALLS)), False, False
        self._trail = [np.zeros(2)]

    def _begin(self, rng: np.random.Generator) -> None:
        side = np.array([1.0, -1.0, 1.0]) * rng.choice([-1.0, 1.0])
        start = [_START, rng.uniform(-_SIDE, _SIDE), 0.0, 0.0]
        self._restore(np.array([*(side * rng.uniform(*_GAPS, 3)), *start, 0.0]))

    def _advance(self, action: np.ndarray) -> None:
        data = self._data
        if self._open:
            clear(self._model)
        data.ctrl[:] = action
        data.qacc_warmstart[:] = 0.0  # so that position and velocity are the whole state
        self._touched = False
        for _ in range(SUBSTEPS):
            data.qfrc_applied[:] = -DRAG * np.abs(data.qvel) * data.qvel
            mujoco.mj_step(self._model, data)
            self._touched |= data.ncon > 0
        self._trail.append(data.qpos.copy())

    def _observe(self) -> np.ndarray:
        return np.concatenate([super()._saved(), GOAL, boxes(self._gaps).ravel()])

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        error = float(np.linalg.norm(observation[:2] - GOAL))
        slow = bool(np.linalg.norm(observation[2:4]) < SUCCESS[1])
        return {
            "error": error,
            "is_success": slow and error < SUCCESS[0],
            "contact": bool(self._touched),
        }

    def _ended(self, info: dict[str, Any]) -> bool:
        return bool(info["is_success"])

    def _saved(self) -> np.ndarray:
        return np.concatenate([self._gaps, super()._saved(), [self._touched]])

    def _restore(self, state: np.ndarray) -> None:
        self._gaps, self._touched = state[: len(WALLS)].copy(), bool(state[-1])
        super()._restore(state[len(WALLS) : -1])
        self._trail = [self._data.qpos.copy()]
        furnish(self._model, self._gaps)

    def _explorer(self, rng: np.random.Generator, steps: int) -> Explorer:
        """Speeds that change now and then, inwards at the edge."""
        wish = rng.uniform(-_SPEED, _SPEED, (steps, 2))
        wish = held(wish, rng.random((steps, 2)) < _CHANGE)
        noise = _NOISE * rng.standard_normal((steps, 2))

        def act(t: int, observation: np.ndarray) -> np.ndarray:
            position, velocity = observation[:2], observation[2:4]
            out = np.abs(position) > [1.0, 0.6]
            aim = np.where(out, -np.sign(position) * np.abs(wish[t]), wish[t])
            return np.clip(2.0 * (aim - velocity) + noise[t], -1.0, 1.0)

        return act

    def _collect(self, seeds: np.ndarray, steps: int, workers: int) -> dict[str, np.ndarray]:
        """In the open, by a copy without anything to touch: this one's own scene stays."""
        if not self._open:
            other = SlalomEnv()
            other._open = True
            return other._collect(seeds, steps, workers)
        return super()._collect(seeds, steps, workers)

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        ghost_disc(scene, GOAL, RADIUS, 0.002)
        for one, two in zip(self._trail[:-1], self._trail[1:], strict=True):
            ghost_capsule(scene, one, two, 0.008, 0.004, _TRAIL)
