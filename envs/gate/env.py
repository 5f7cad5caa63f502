"""PushGate: push a gate open by its rod, and slip through before it shuts.

Observation, Box(5,), float64, metres:

| entries | meaning                                          |
|---------|--------------------------------------------------|
| 0:2     | pusher x, y                                      |
| 2       | x of the gate's edge, -0.15 when it is closed    |
| 3:5     | goal of the pusher                               |

Action, Box(-1, 1, (2,), float32): displacement of the pusher, 0.02 m per unit and control step of
0.1 s. The pusher stays within +-0.25 m: what would leave is cut.

Reward: minus the pusher's distance to its goal [m]. An episode never terminates; it is truncated
after 45 steps. In `info`:

| key          | meaning                                                              |
|--------------|----------------------------------------------------------------------|
| `error`      | distance of the pusher to its goal [m]                               |
| `is_success` | that is under 0.015 m, and the pusher never touched wall or gate     |
| `opening`    | how far the gate is open [m]                                         |
| `clearance`  | free distance between the pusher and the wall or the gate [m]        |
| `touched`    | whether it touched one of them in this episode, the rod aside        |

A wall along y = 0 parts the table. The goal is behind it, to the left; so is the doorway. The gate
is pushed open by a rod to the right that only the near room has, and lets go of it: a spring and a
damper take away a tenth of the opening every step. To come through, the pusher first goes away
from its goal, pushes the rod on for longer than it seems to take, and hurries back.

Data are collected without wall and gate, of which only the rod is left: what is learned is how the
gate moves, and the planner is told where the pusher must not be.
"""

from __future__ import annotations

from typing import Any, Unpack

import mujoco
import numpy as np

from ..base import Picture
from ..collection import Explorer
from ..planar import PlanarTask
from ..rendering import ghost_disc
from ..scene import PUSHER_RADIUS
from ..simulator import Simulator
from .exploration import wander
from .scene import HALF, LEFT, build

SUCCESS = 0.015
"""Largest distance to the goal of a success [m]."""
_STARTS = np.array([[-0.24, -0.2], [-0.1, -0.04]])
_GOALS = np.array([[-0.24, 0.05], [-0.14, 0.1]])


class PushGateEnv(PlanarTask):
    """Push a gate open and slip through; see the module's text."""

    def __init__(self, **picture: Unpack[Picture]) -> None:
        super().__init__(Simulator(build(solid=True)), 5, 2, **picture)
        self._hard = [self._model.geom(name).id for name in ("left", "right", "panel")]
        self._touched = False

    def _begin(self, rng: np.random.Generator) -> None:
        super()._begin(rng)
        self._touched = False

    def _advance(self, action: np.ndarray) -> None:
        self.simulator.advance(self._data, action, self._watch)

    def _watch(self, data: mujoco.MjData) -> None:
        self._touched |= bool(np.isin(data.contact.geom, self._hard).any())

    def _saved(self) -> np.ndarray:
        return np.append(super()._saved(), self._touched)

    def _restore(self, state: np.ndarray) -> None:
        super()._restore(state[:-1])
        self._touched = bool(state[-1])

    def draw_episode(self, rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([rng.uniform(*_STARTS), rng.uniform(*_GOALS)])

    def begin(self, drawn: np.ndarray, workers: int = 1) -> tuple[np.ndarray, np.ndarray]:
        return np.pad(drawn[:, :2], ((0, 0), (0, 1))), drawn[:, 2:]

    def observe(self, qpos: np.ndarray, goal: np.ndarray) -> np.ndarray:
        there = np.broadcast_to(goal, (*qpos.shape[:-1], 2))
        return np.concatenate([qpos[..., :2], LEFT + qpos[..., 2:], there], axis=-1)

    def distance(self, observations: np.ndarray) -> np.ndarray:
        return np.linalg.norm(observations[..., :2] - observations[..., 3:5], axis=-1)

    def explorer(self, rngs: list[np.random.Generator], steps: int) -> Explorer:
        return wander(rngs, steps)

    def report(self, qpos: np.ndarray, goal: np.ndarray, error: float) -> dict[str, Any]:
        return {
            "is_success": error < SUCCESS and not self._touched,
            "error": error,
            "opening": float(qpos[2]),
            "clearance": clearance(qpos),
            "touched": self._touched,
        }

    def decorate(self, scene: mujoco.MjvScene, goal: np.ndarray) -> None:
        ghost_disc(scene, goal, PUSHER_RADIUS, 0.002)

    def collected(self) -> Simulator:
        """Always the table without the wall, and of the gate the rod alone."""
        return Simulator(build(solid=False))


def clearance(qpos: np.ndarray) -> float:
    """Free distance between the pusher and the wall or the gate [m], of qpos (3,)."""
    x, y, opening = qpos
    aside = max(0.0, min(x - LEFT, LEFT + opening - x))
    return float(np.hypot(aside, max(0.0, abs(y) - HALF)) - PUSHER_RADIUS)
