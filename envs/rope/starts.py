"""Starts of the rope: bent at random, and beside the pole where there is one."""

from __future__ import annotations

import numpy as np

from .scene import LINK, LINKS, POLE, POLE_RADIUS, RADIUS, points

GOAL_STEPS = 15
"""Control steps of random motion that lead from the start to the goal's shape."""
GOALS = 6
"""Candidate goals of an episode; the first one that is far enough is taken."""
_CLEARANCE = 0.005
_TRIES = 10_000


def draw_start(rng: np.random.Generator, pole: bool) -> np.ndarray:
    """First qpos. Shape (14,).

    The gripper is within 0.1 m of the centre on both axes, the rope points anywhere and bends by
    up to 0.17 rad a link in one curve. With a pole, the rope or the gripper is within 4 cm of it,
    so that most motions touch it, and at least 5 mm away.
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
        if not pole or _CLEARANCE <= gap(qpos) <= 0.04:
            return qpos
    raise RuntimeError("no start beside the pole was found")


def draw_motion(rng: np.random.Generator, steps: int, memory: float, scale: float) -> np.ndarray:
    """Smooth random actions. Shape (steps, 2).

    A first-order autoregression with standard deviation `scale` and correlation `memory` from one
    step to the next, cut to the action box.
    """
    noise = scale * rng.standard_normal((steps, 2))
    actions = np.empty((steps, 2))
    value = noise[0]
    for t in range(steps):
        actions[t] = value
        value = memory * value + np.sqrt(1.0 - memory**2) * noise[(t + 1) % steps]
    return np.clip(actions, -1.0, 1.0)


def draw_goal_motions(rng: np.random.Generator) -> np.ndarray:
    """Random actions that lead to candidate goals. Shape (GOALS, GOAL_STEPS, 2)."""
    return np.stack([draw_motion(rng, GOAL_STEPS, memory=0.9, scale=0.8) for _ in range(GOALS)])


def gap(qpos: np.ndarray) -> float:
    """Free space between the pole and the rope of qpos (14,) [m]; negative: they overlap."""
    chain = points(qpos) - POLE
    start, span = chain[:-1], np.diff(chain, axis=0)
    along = np.clip(-(start * span).sum(-1) / LINK**2, 0.0, 1.0)
    nearest = np.linalg.norm(start + along[:, None] * span, axis=-1).min()
    rope = nearest - POLE_RADIUS - RADIUS
    gripper = np.linalg.norm(chain[0]) - POLE_RADIUS - 2 * RADIUS
    return float(min(rope, gripper))


def _ring(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    angle, radius = rng.uniform(-np.pi, np.pi), rng.uniform(low, high)
    return radius * np.array([np.cos(angle), np.sin(angle)])
