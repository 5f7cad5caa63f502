"""Starts of the rope: bent at random, and beside the pole where there is one."""

from __future__ import annotations

import numpy as np

from ..collection import autoregression
from ..scene import PUSHER_RADIUS
from .scene import LINK, LINKS, POLE, POLE_RADIUS, RADIUS, points

GOAL_STEPS = 15
"""Control steps of random motion that lead from the start to the goal's shape."""
CHOICES = ("any", "around")
"""Names of the goal distributions."""
GOALS = {"any": 6, "around": 20}
"""Candidate goals of an episode; the first one that is good enough is taken."""
_CLEARANCE, _BESIDE = 0.005, 0.03
_TRIES = 10_000


def draw_start(rng: np.random.Generator, pole: bool) -> np.ndarray:
    """First qpos. Shape (14,).

    The gripper is within 0.1 m of the centre on both axes, the rope points anywhere and bends by
    up to 0.17 rad a link in one curve. With a pole, the rope or the gripper is within 3 cm of it,
    so that many motions touch it, and at least 5 mm away.
    """
    for _ in range(_TRIES):
        qpos = np.empty(2 + LINKS)
        if pole:
            qpos[:2] = POLE + _ring(rng, 0.04, 0.2)
        else:
            qpos[:2] = rng.uniform(-0.1, 0.1, 2)
        qpos[2] = rng.uniform(-np.pi, np.pi)
        place = np.arange(1, LINKS) / LINKS
        bend, swing, phase = rng.uniform(-0.1, 0.1), rng.uniform(0, 0.15), rng.uniform(0, 2 * np.pi)
        qpos[3:] = bend + swing * np.sin(2 * np.pi * place + phase)
        if not pole or _CLEARANCE <= gap(qpos) <= _BESIDE:
            return qpos
    raise RuntimeError("no start beside the pole was found")


def draw_motion(rng: np.random.Generator, steps: int, memory: float, scale: float) -> np.ndarray:
    """Smooth random actions. Shape (steps, 2).

    A first-order autoregression with standard deviation `scale` and correlation `memory` from one
    step to the next, cut to the action box.
    """
    white = scale * rng.standard_normal((steps, 2))
    return np.clip(autoregression(white, memory), -1.0, 1.0)


def draw_goal_motions(rng: np.random.Generator, goals: str) -> np.ndarray:
    """Random actions that lead to candidate goals. Shape (GOALS[goals], GOAL_STEPS, 2)."""
    count = GOALS[goals]
    return np.stack([draw_motion(rng, GOAL_STEPS, memory=0.9, scale=0.8) for _ in range(count)])


def straight_gap(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """How far the pole's surface is from the straight ways of all points to their goals.

    Args:
        start: gripper and link ends. Shape (..., 13, 2) [m].
        goal: Shape (..., 13, 2) [m].

    Returns:
        Of the point that comes nearest. Shape (...) [m], negative where the pole is in the way.
    """
    offset, span = start - POLE, goal - start
    length = np.maximum((span * span).sum(-1), 1e-12)
    along = np.clip(-(offset * span).sum(-1) / length, 0.0, 1.0)
    distance = np.linalg.norm(offset + along[..., None] * span, axis=-1)
    return distance.min(-1) - POLE_RADIUS - RADIUS


def gap(qpos: np.ndarray) -> np.ndarray:
    """Free space between pole and rope or gripper. Shape (...) [m], of qpos (..., 14)."""
    rope = np.linalg.norm(nearest(qpos) - POLE, axis=-1) - POLE_RADIUS - RADIUS
    gripper = np.linalg.norm(qpos[..., :2] - POLE, axis=-1) - POLE_RADIUS - PUSHER_RADIUS
    return np.minimum(rope, gripper)


def nearest(qpos: np.ndarray) -> np.ndarray:
    """The rope's point that is nearest to the pole. Shape (..., 2) [m], of qpos (..., 14)."""
    chain = points(qpos) - POLE
    start, span = chain[..., :-1, :], np.diff(chain, axis=-2)
    along = np.clip(-(start * span).sum(-1) / LINK**2, 0.0, 1.0)
    feet = start + along[..., None] * span
    best = np.linalg.norm(feet, axis=-1).argmin(-1)
    return POLE + np.take_along_axis(feet, best[..., None, None], axis=-2)[..., 0, :]


def _ring(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    angle, radius = rng.uniform(-np.pi, np.pi), rng.uniform(low, high)
    return radius * np.array([np.cos(angle), np.sin(angle)])
