"""Edges of boxes of starts: where to look, which edge to cut, and both halves."""

from __future__ import annotations

import numpy as np

NARROW = 1e-9
"""Boxes whose widest edge is below this, relative to the box of all starts, are not split."""


def points(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The middle of every box and the middles of its faces, a little inside. (B, 1 + 2 nx, nx)."""
    middle, radius = (low + high) / 2, (high - low) / 2
    eye = 0.9 * np.eye(low.shape[1])
    way = np.concatenate([0.0 * eye[:1], eye, -eye])
    return np.clip(middle[:, None] + way * radius[:, None], low[:, None], high[:, None])


def axis(
    found: np.ndarray, low: np.ndarray, high: np.ndarray, least: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The edge of every box along which what was found at `points` differs most, (B,).

    Args:
        found: Shape (B, 1 + 2 nx, steps, entries).
        low, high: boxes. Shape (B, nx).
        least: edges below this are not cut. Shape (nx,).

    Returns:
        Edges, and whether there is one that can be cut. Two arrays of shape (B,).
    """
    n, wide = low.shape[1], (high - low) > least * (1 + 1e-9)
    with np.errstate(over="ignore", invalid="ignore"):
        three = np.stack(np.broadcast_arrays(found[:, :1], found[:, 1 : n + 1], found[:, n + 1 :]))
        differ = three.max(axis=0) - three.min(axis=0)  # even functions have equal ends
        differ = np.where(np.isfinite(differ), differ, 0.0)
        size = differ.max(axis=1, keepdims=True)
        score = (differ / np.where(size > 0, size, 1.0)).mean((-1, -2))
    share = (high - low) / np.where(least > 0, least, 1.0)
    share = share / np.maximum(share.max(axis=1, keepdims=True), 1e-300)
    score = np.where(wide, score + 0.05 * share, -1.0)
    return score.argmax(axis=1), wide.any(axis=1)


def halves(
    low: np.ndarray, high: np.ndarray, axis: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Both halves (low, high) of a box along an edge."""
    left, right = high.copy(), low.copy()
    left[axis] = right[axis] = (low[axis] + high[axis]) / 2
    return (low, left), (right, high)
