"""Where the discs lie at first, and where they belong."""

from __future__ import annotations

import numpy as np

from .scene import RADIUS

DISCS = (4, 6, 8)
"""Numbers of discs that there are tasks for."""
REGIONS = np.array([[-0.1, 0.0], [0.1, 0.0]])
"""Centres of the regions by colour [m]."""
SUCCESS = 0.06
"""A disc whose centre is this near to its region's is sorted [m]."""
FREE = 0.04
"""Nearer than this, distance does not count as error [m]."""

_SPREAD, _GAP = 0.15, 0.005
_TRIES = 100_000


def colours(discs: int) -> np.ndarray:
    """0 for the first half of the discs (left), 1 for the second (right). Shape (discs,)."""
    return np.repeat([0, 1], discs // 2)


def draw_start(rng: np.random.Generator, discs: int) -> np.ndarray:
    """Positions of the discs. Shape (2 * discs,) [m].

    Uniform within +-0.15 m, at least 5 mm between any two, at least one in four not sorted.
    """
    targets = REGIONS[colours(discs)]
    for _ in range(_TRIES):
        points = rng.uniform(-_SPREAD, _SPREAD, (discs, 2))
        between = np.linalg.norm(points[:, None] - points, axis=-1)
        apart = between[np.triu_indices(discs, 1)].min() >= 2 * RADIUS + _GAP
        away = np.linalg.norm(points - targets, axis=-1) > SUCCESS
        if apart and away.mean() >= 0.25:
            return points.ravel()
    raise RuntimeError("no start without overlaps was found")
