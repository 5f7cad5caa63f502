"""Starts and goals of the pushing tasks."""

from __future__ import annotations

import numpy as np

from ..scene import PUSHER_RADIUS
from ..simulator import WORKSPACE
from .scene import OBSTACLE, OBSTACLE_RADIUS
from .shapes import Shape, localise

STARTS = ("full", "easy", "beside")
"""Names of the start distributions."""
GOAL = np.zeros(3)
"""Goal pose x, y [m], angle [rad]."""
GOAL_BEHIND_OBSTACLE = np.array([-0.13, 0.0, 0.0])
"""Goal pose where an obstacle stands at the origin."""

_GAP = (0.015, 0.08)
_CANDIDATES = 32
_TRIES = 1000


def draw_start(rng: np.random.Generator, shape: Shape, start: str, obstacle: bool) -> np.ndarray:
    """First qpos `[pusher xy, object xy, angle]`. Shape (5,).

    `full`: centre of mass 5 to 15 cm from the goal, any angle, pusher anywhere around the object.
    `easy`: 8 to 15 cm, within 30 degrees of the goal's angle, pusher on the far side (+-0.5 rad).
    With an obstacle, the object is 25 to 28 cm to the right of the goal instead, and the obstacle
    between them. `beside`, with an obstacle only: the object is above or below the obstacle, 12
    to 22 cm from the goal and within 30 degrees of its angle, the pusher on the far side (+-0.5
    rad); mostly the obstacle is in its straight way. The pusher's centre is 1.5 to 8 cm from the
    object's outline, and in the workspace; nothing overlaps.
    """
    goal = GOAL_BEHIND_OBSTACLE if obstacle else GOAL
    count = _CANDIDATES
    easy, beside = start == "easy", start == "beside"
    for _ in range(_TRIES):
        if beside:
            xy = rng.uniform([-0.04, 0.07], [0.06, 0.11], (count, 2))
            xy[:, 1] *= rng.choice([-1.0, 1.0], count)
        elif obstacle:
            xy = rng.uniform([0.12, -0.04], [0.15, 0.04], (count, 2))
        else:
            xy = goal[:2] + _polar(
                rng.uniform(0.08 if easy else 0.05, 0.15, count), rng.uniform(-np.pi, np.pi, count)
            )
        widest = np.pi / 6 if easy else np.pi / 6 if beside else np.pi
        angle = goal[2] + rng.uniform(-widest, widest, count)
        pose = np.column_stack([xy, angle])
        behind = easy or beside
        around = rng.uniform(-0.5, 0.5, count) if behind else rng.uniform(-np.pi, np.pi, count)
        if behind:
            around += np.arctan2(xy[:, 1] - goal[1], xy[:, 0] - goal[0])
        pusher = xy + _polar(rng.uniform(0.02, shape.reach + _GAP[1], count), around)
        qpos = np.column_stack([pusher, pose])
        free = clearance(qpos, shape) > 0.005 if obstacle else True
        gap = shape.gap(localise(pusher, pose))
        good = (gap >= _GAP[0]) & (gap <= _GAP[1]) & (np.abs(pusher).max(-1) < WORKSPACE) & free
        if good.any():
            return qpos[np.argmax(good)]
    raise RuntimeError("no start that satisfies the task's distances was found")


def clearance(qpos: np.ndarray, shape: Shape) -> np.ndarray:
    """Free space between the obstacle and what moves. Shape (...) [m], of qpos (..., 5)."""
    local = localise(np.broadcast_to(OBSTACLE, qpos[..., :2].shape), qpos[..., 2:])
    pushed = shape.gap(local) - OBSTACLE_RADIUS
    pusher = np.linalg.norm(qpos[..., :2] - OBSTACLE, axis=-1) - OBSTACLE_RADIUS - PUSHER_RADIUS
    return np.minimum(pushed, pusher)


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
