"""Strokes that data are collected with: most of them hit a disc, many push it home."""

from __future__ import annotations

import numpy as np

from .stroke import REACH, START

UNIT = 7
"""Random numbers that make one stroke."""
_HOME, _ANYWHERE = 0.45, 0.15
"""Fractions of strokes towards a disc's own region, and without any aim."""
_GAP = (-0.01, 0.06)
"""Of a start behind the disc [m]: under 0.019 m the plate is on it, and is moved back."""
_OFFSET = 0.05
_TURN = 0.5


def propose(discs: np.ndarray, targets: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Strokes from behind a random disc through it.

    Args:
        discs: Shape (N, n, 2) [m].
        targets: where each belongs. Shape (n, 2) [m].
        unit: uniform in [0, 1). Shape (N, UNIT).

    Returns:
        Actions of shape (N, 4).
    """
    chosen = (unit[:, 0] * len(targets)).astype(int)
    disc = discs[np.arange(len(discs)), chosen]
    home = targets[chosen] - disc
    heading = np.where(
        unit[:, 1] < _HOME,
        np.arctan2(home[:, 1], home[:, 0]) + _TURN * (2 * unit[:, 2] - 1),
        2 * np.pi * unit[:, 2],
    )
    direction = np.column_stack([np.cos(heading), np.sin(heading)])
    across = np.column_stack([-direction[:, 1], direction[:, 0]])
    gap = _GAP[0] + (_GAP[1] - _GAP[0]) * unit[:, 3:4]
    start = disc - gap * direction + _OFFSET * (2 * unit[:, 4:5] - 1) * across
    # as long as the box allows in this direction
    longest = REACH / np.abs(direction).max(-1, keepdims=True)
    step = (0.15 + 0.85 * unit[:, 5:6]) * longest * direction
    aimed = np.column_stack([start / START, step / REACH])
    anywhere = unit[:, 6:7] < _ANYWHERE
    return np.clip(np.where(anywhere, 2 * unit[:, 2:6] - 1, aimed), -1.0, 1.0)


class StrokeSeeker:
    """`propose` as a collecting policy; all randomness is drawn at the start.

    Args:
        targets: where each disc belongs. Shape (n, 2) [m].
        rngs: one generator an episode (N).
        steps: strokes of an episode.
    """

    def __init__(self, targets: np.ndarray, rngs: list[np.random.Generator], steps: int) -> None:
        self._targets = targets
        self._unit = np.stack([r.random((steps, UNIT)) for r in rngs])

    def __call__(self, t: int, qpos: np.ndarray) -> np.ndarray:
        """Actions (N, 4), of qpos (N, 3 + 2n)."""
        discs = qpos[:, 3:].reshape(len(qpos), -1, 2)
        return propose(discs, self._targets, self._unit[:, t])
