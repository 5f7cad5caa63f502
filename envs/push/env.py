"""PushT and PushBox: push a flat object to a pose with a round finger.

Observation, Box(18,), float64, metres:

| entries | meaning                                                                  |
|---------|--------------------------------------------------------------------------|
| 0:8     | x, y of 4 keypoints. T: bar's left end, right end, middle, stem's tip.   |
|         | Box: corners, counter-clockwise from the lower left                      |
| 8:10    | pusher x, y                                                              |
| 10:18   | goals of the keypoints                                                   |

Action, Box(-1, 1, (2,), float32): displacement of the pusher, 0.02 m per unit and control step of
0.1 s. The pusher stays within +-0.25 m: what would leave is cut.

Reward: minus the mean distance of the keypoints to their goals [m]. An episode never terminates;
it is truncated after 60 steps. In `info`:

| key                | meaning                                                           |
|--------------------|-------------------------------------------------------------------|
| `error`            | mean keypoint distance [m]                                        |
| `is_success`       | centre of mass within 0.02 m and angle within 10 degrees          |
| `is_tight_success` | 0.01 m and 5 degrees                                              |
| `position_error`   | distance of the centre of mass [m]                                |
| `angle_error`      | absolute angle [rad]                                              |
| `clearance`        | with an obstacle: its free distance to object and pusher [m]      |

The goal is the pose 0, 0, 0. `start` is `full`, `easy` or `beside` (see `starts.draw_start`). With
`obstacle=True` a solid round post of radius 0.03 m stands at the origin, the goal is at x = -0.13
m and the object starts at x = 0.12 to 0.15 m: the straight way is blocked for object and pusher.
With `start="beside"` it starts above or below the post: a shorter way, with a smaller detour.
The post is part of the scene, not of what is learnt: `collect_episodes` collects on the free
table (same starts and goals), and the planner is told to keep out.

Model: the object slides and turns with damping that stands for table friction; every control step
begins at rest, so that keypoints and pusher are the whole state. Of `mass`, `friction`, `turning`,
`grip` and `scale` of the object the first two matter little: the pusher is stronger, and nothing
slides on for longer than a step.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Unpack

import mujoco
import numpy as np

from ..base import Picture
from ..check import checked_choice, checked_flag, checked_number
from ..collection import Explorer
from ..planar import PlanarTask
from ..rendering import ghost_box
from ..simulator import Simulator
from .exploration import ContactSeeker
from .scene import FRICTION, GRIP, MASS, OBSTACLE, OBSTACLE_RADIUS, Material, build
from .shapes import BOX, Shape, T, place, rotate, wrapped
from .starts import GOAL, GOAL_BEHIND_OBSTACLE, STARTS, clearance, draw_start

SUCCESS = (0.02, math.radians(10.0))
"""Largest position [m] and angle [rad] error of a success."""
TIGHT_SUCCESS = (0.01, math.radians(5.0))


class PushEnv(PlanarTask):
    """Push an object to a pose; see the module's text.

    Args:
        start: distribution of starts, `full`, `easy` or, with an obstacle, `beside`.
        obstacle: whether a post blocks the straight way.
        mass: of the object [kg], 0.01 to 10.
        friction: damping that stands for table friction [N s/m], 0.5 to 200.
        turning: factor on the damping of rotation, 0.02 to 50: where the object's weight rests.
        grip: coefficient of friction between pusher and object, 0 to 3.
        scale: factor on the object's lengths, 0.5 to 1.5.

    Attributes:
        shape: the object's outline and keypoints.
        obstacle: x, y and radius of the post [m], or None.
    """

    usual: ClassVar[Shape]
    """The object at scale 1."""

    def __init__(
        self,
        start: str = "full",
        obstacle: bool = False,
        mass: float = MASS,
        friction: float = FRICTION,
        turning: float = 1.0,
        grip: float = GRIP,
        scale: float = 1.0,
        **picture: Unpack[Picture],
    ) -> None:
        checked_choice("start", start, STARTS if checked_flag("obstacle", obstacle) else STARTS[:2])
        self.start = start
        post = (float(OBSTACLE[0]), float(OBSTACLE[1]), OBSTACLE_RADIUS)
        self.obstacle = post if obstacle else None
        self.material = Material(
            checked_number("mass", mass, 0.01, 10.0, "kg"),
            checked_number("friction", friction, 0.5, 200.0, "N s/m"),
            checked_number("turning", turning, 0.02, 50.0),
            checked_number("grip", grip, 0.0, 3.0),
        )
        self.shape = self.usual.scaled(checked_number("scale", scale, 0.5, 1.5))
        simulator = Simulator(self._scene(obstacle))
        super().__init__(simulator, 18, 3, **picture)

    def draw_episode(self, rng: np.random.Generator) -> np.ndarray:
        return draw_start(rng, self.shape, self.start, self.obstacle is not None)

    def begin(self, drawn: np.ndarray, workers: int = 1) -> tuple[np.ndarray, np.ndarray]:
        goal = GOAL if self.obstacle is None else GOAL_BEHIND_OBSTACLE
        return drawn, np.tile(goal, (len(drawn), 1))

    def observe(self, qpos: np.ndarray, goal: np.ndarray) -> np.ndarray:
        shape = (*qpos.shape[:-1], 8)
        here = place(self.shape.keypoints, qpos[..., 2:]).reshape(shape)
        there = place(self.shape.keypoints, goal).reshape(*goal.shape[:-1], 8)
        return np.concatenate([here, qpos[..., :2], np.broadcast_to(there, shape)], axis=-1)

    def distance(self, observations: np.ndarray) -> np.ndarray:
        offset = observations[..., 10:18] - observations[..., 0:8]
        pairs = offset.reshape(*offset.shape[:-1], 4, 2)
        return np.linalg.norm(pairs, axis=-1).mean(axis=-1)

    def explorer(self, rngs: list[np.random.Generator], steps: int) -> Explorer:
        return ContactSeeker(self.shape, rngs, steps)

    def report(self, qpos: np.ndarray, goal: np.ndarray, error: float) -> dict[str, Any]:
        position = float(np.linalg.norm(qpos[2:4] - goal[:2]))
        angle = abs(float(wrapped(qpos[4] - goal[2])))
        info: dict[str, Any] = {
            "is_success": position < SUCCESS[0] and angle < SUCCESS[1],
            "is_tight_success": position < TIGHT_SUCCESS[0] and angle < TIGHT_SUCCESS[1],
            "error": error,
            "position_error": position,
            "angle_error": angle,
        }
        if self.obstacle is not None:
            info["clearance"] = float(clearance(qpos, self.shape))
        return info

    def decorate(self, scene: mujoco.MjvScene, goal: np.ndarray) -> None:
        for rectangle in self.shape.rectangles:
            centre = goal[:2] + rotate(rectangle[:2], goal[2])
            ghost_box(scene, centre, goal[2], rectangle[2:], 0.002)

    def collected(self) -> Simulator:
        """Always the table without the obstacle."""
        return self.simulator if self.obstacle is None else Simulator(self._scene(obstacle=False))

    def _scene(self, obstacle: bool) -> mujoco.MjModel:
        return build(self.shape, obstacle, self.material)


class PushTEnv(PushEnv):
    """Push a T of 0.12 m; see the module's text."""

    usual = T


class PushBoxEnv(PushEnv):
    """Push a box of 0.08 x 0.06 m; see the module's text."""

    usual = BOX
