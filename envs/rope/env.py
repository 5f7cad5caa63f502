"""Rope: drag a rope by one end until all of it lies in a given shape.

Observation, Box(52,), float64, metres:

| entries | meaning                                          |
|---------|--------------------------------------------------|
| 0:2     | gripper x, y                                     |
| 2:26    | x, y of the 12 link ends, from the gripper on    |
| 26:28   | goal of the gripper                              |
| 28:52   | goals of the link ends                           |

Action, Box(-1, 1, (2,), float32): displacement of the gripper, 0.02 m per unit and control step
of 0.1 s. The gripper stays within +-0.25 m: what would leave is cut.

Reward: minus the mean distance of the 13 points to their goals [m]. An episode never terminates;
it is truncated after 40 steps. `info["error"]` is that mean distance, `info["is_success"]` says
that it is under 0.02 m.

The goal is the shape that the rope has after 15 steps of smooth random motion from the start
(simulated in `reset`), so that it can be reached; it is at least 0.04 m away. With `pole=True` a
solid pole of radius 0.02 m stands at the origin; rope and gripper collide with it, and episodes
start beside it. The pole never moves and is not observed. With `goals="around"` it is in the way:
of up to 20 shapes, the first is the goal to which some point of the rope cannot go straight, or
else the one that comes nearest to this.

Model: 12 capsules on hinges (0.36 m, 60 g), dragged by the gripper through a viscous medium that
stands for table friction. Every control step begins at rest: the points are the whole state.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Unpack

import mujoco
import numpy as np

from ..base import Picture
from ..check import checked_choice, checked_flag
from ..collection import Explorer
from ..lockstep import Lockstep
from ..planar import PlanarTask
from ..rendering import ghost_capsule, ghost_disc
from ..scene import PUSHER_RADIUS
from ..simulator import Simulator
from .exploration import SmoothMotion
from .scene import LINKS, RADIUS, build, points
from .starts import CHOICES, GOAL_STEPS, GOALS, draw_goal_motions, draw_start, straight_gap

SUCCESS = 0.02
"""Largest mean point distance of a success [m]."""
NEAREST_GOAL = 0.04
"""Smallest mean point distance of a start to its goal [m]."""
_NQ = 2 + LINKS
_POINTS = 2 * (LINKS + 1)


class RopeEnv(PlanarTask):
    """Drag a rope into a shape; see the module's text.

    Args:
        pole: whether a pole stands in the middle.
        goals: `any` or, with a pole, `around`.
    """

    def __init__(
        self,
        pole: bool = False,
        goals: str = "any",
        **picture: Unpack[Picture],
    ) -> None:
        self.pole = checked_flag("pole", pole)
        checked_choice("goals", goals, CHOICES if pole else CHOICES[:1])
        self.goals = goals
        simulator = Simulator(build(pole))
        super().__init__(simulator, 2 * _POINTS, _POINTS, **picture)

    def draw_episode(self, rng: np.random.Generator) -> np.ndarray:
        start = draw_start(rng, self.pole)
        return np.concatenate([start, draw_goal_motions(rng, self.goals).ravel()])

    def begin(self, drawn: np.ndarray, workers: int = 1) -> tuple[np.ndarray, np.ndarray]:
        count = len(drawn)
        qpos = drawn[:, :_NQ]
        motions = drawn[:, _NQ:].reshape(count, GOALS[self.goals], GOAL_STEPS, 2)
        goal = np.empty((count, _POINTS))
        best = np.full(count, np.inf)
        open_ = np.arange(count)
        with Lockstep(self.simulator, workers) as lockstep:
            for k in range(motions.shape[1]):
                final = lockstep.run(qpos[open_], motions[open_, k])[:, -1]
                shape = points(final).reshape(len(open_), _POINTS)
                flaw = self._flaw(qpos[open_], shape)
                better = flaw < best[open_]
                goal[open_[better]], best[open_[better]] = shape[better], flaw[better]
                open_ = open_[best[open_] > 0.0]
                if not len(open_):
                    break
        return qpos, goal

    def _flaw(self, qpos: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """How far goals (N, 26) are from being accepted, 0 if they are. Shape (N,) [m]."""
        near = np.maximum(NEAREST_GOAL - self.distance(self.observe(qpos, goal)), 0.0)
        if self.goals == "any":
            return near
        passing = straight_gap(points(qpos), goal.reshape(len(goal), -1, 2))
        return 10.0 * near + np.maximum(passing, 0.0)

    def observe(self, qpos: np.ndarray, goal: np.ndarray) -> np.ndarray:
        chain = points(qpos).reshape(*qpos.shape[:-1], _POINTS)
        return np.concatenate([chain, np.broadcast_to(goal, chain.shape)], axis=-1)

    def distance(self, observations: np.ndarray) -> np.ndarray:
        offset = observations[..., _POINTS:] - observations[..., :_POINTS]
        pairs = offset.reshape(*offset.shape[:-1], LINKS + 1, 2)
        return np.linalg.norm(pairs, axis=-1).mean(axis=-1)

    def explorer(self, rngs: list[np.random.Generator], steps: int) -> Explorer:
        return SmoothMotion(self.pole, rngs, steps)

    def report(self, qpos: np.ndarray, goal: np.ndarray, error: float) -> dict[str, Any]:
        return {"is_success": error < SUCCESS, "error": error}

    def decorate(self, scene: mujoco.MjvScene, goal: np.ndarray) -> None:
        chain = goal.reshape(-1, 2)
        ghost_disc(scene, chain[0], 1.4 * PUSHER_RADIUS, 0.002)
        for start, end in pairwise(chain):
            ghost_capsule(scene, start, end, RADIUS, 0.005)
