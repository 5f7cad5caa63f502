"""Points on a table, pushed by the front of a stroke and then by each other."""

from __future__ import annotations

import numpy as np

from sparsectl.data import Episodes

GAIN, LENGTH, HALF_WIDTH, GAP = 0.2, 0.08, 0.05, 0.03
"""Metres per unit of the stroke's start and displacement, half the front, points' distance."""


def step(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Points after a stroke. Shapes (2n,), (4,) -> (2n,)."""
    points, start, move = x.reshape(-1, 2).copy(), GAIN * u[:2], LENGTH * u[2:]
    length = max(float(np.linalg.norm(move)), 1e-9)
    along = move / length
    across = np.array([-along[1], along[0]])
    done = (points - start) @ along
    hit = (abs((points - start) @ across) < HALF_WIDTH) & (done >= 0) & (done < length)
    points[hit] += np.outer(length - done[hit], along)
    for i in np.flatnonzero(hit):
        for j in np.flatnonzero(~hit):
            gap = points[j] - points[i]
            distance = max(float(np.linalg.norm(gap)), 1e-9)
            points[j] += max(GAP - distance, 0.0) * gap / distance
    return points.ravel()


def strokes(episodes: int, steps: int, points: int, seed: int = 0) -> Episodes:
    """Random strokes near random points."""
    rng = np.random.default_rng(seed)
    observations, actions = [], []
    for _ in range(episodes):
        x, taken = [rng.uniform(-0.15, 0.15, 2 * points)], []
        for _ in range(steps):
            near = x[-1].reshape(-1, 2)[rng.integers(points)] + rng.normal(size=2) * 0.04
            taken.append(np.clip([*near / GAIN, *rng.uniform(-1, 1, 2)], -1, 1))
            x.append(step(x[-1], taken[-1]))
        observations.append(np.stack(x))
        actions.append(np.stack(taken))
    flags = [np.zeros(steps, bool)] * episodes
    rewards = [np.zeros(steps)] * episodes
    return Episodes(
        observations, actions, rewards, flags, flags, np.arange(episodes), env_id="Points-v0"
    )
