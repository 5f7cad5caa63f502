"""Shortest ways of a disc among boxes, on a grid."""

from __future__ import annotations

import numpy as np

_HALF = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2))
_MOVES = (*_HALF, *((-i, -j) for i, j in _HALF))
_REACH = 2


class Ways:
    """Lengths of shortest ways to a goal that keep out of boxes; 16 directions.

    Args:
        boxes: x0, y0, x1, y1 of every box; empty ones (x0 not below x1) are not there. Shape (n, 4)
            [m].
        goal: Shape (2,) [m].
        half: half the sides of the arena, whose middle is the origin [m]. Shape (2,).
        margin: boxes and walls are grown by this [m].
        spacing: of the grid [m].

    Attributes:
        low: the first node [m]. Shape (2,).
        spacing: of the grid [m].
        length: of the way from every node [m], infinite where there is none. Shape (columns, rows).
    """

    def __init__(
        self,
        boxes: np.ndarray,
        goal: np.ndarray,
        half: np.ndarray,
        margin: float,
        spacing: float = 0.06,
    ) -> None:
        self.low, self.spacing = margin - half, spacing
        counts = np.floor(2 * (half - margin) / spacing).astype(int) + 1
        axes = [low + spacing * np.arange(n) for low, n in zip(self.low, counts, strict=True)]
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        wall = np.where(inside(nodes, boxes, margin), np.inf, 0.0)
        # The edge of nodes that are not there spares every move a case of its own.
        around = np.full(counts + 2 * _REACH, np.inf)
        here = around[_REACH:-_REACH, _REACH:-_REACH]
        self.length = here
        here[self._node(goal)] = 0.0
        moves = []
        for i, j in _MOVES:
            view = around[_REACH + i : _REACH + i + counts[0], _REACH + j : _REACH + j + counts[1]]
            price = spacing * np.hypot(i, j) + wall
            if abs(i) + abs(j) == 3:  # it passes between nodes, where a corner may be
                middle = nodes + spacing * np.array([i, j]) / 2
                price = price + np.where(inside(middle, boxes, margin), np.inf, 0.0)
            moves.append((view, price))
        while True:  # Bellman and Ford, all nodes at once
            before = here.copy()
            for view, price in moves:
                np.minimum(here, view + price, out=here)
            if np.array_equal(before, here):
                break

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Length of the way from the node nearest to every point [m]. Shapes (..., 2) -> (...)."""
        return np.asarray(self.length[self._node(points)])

    def _node(self, points: np.ndarray) -> tuple[np.ndarray, ...]:
        node = np.round((points - self.low) / self.spacing).astype(int)
        return tuple(np.moveaxis(np.clip(node, 0, np.array(self.length.shape) - 1), -1, 0))


def inside(points: np.ndarray, boxes: np.ndarray, margin: float = 0.0) -> np.ndarray:
    """Which points are in a box grown by a margin. Shapes (..., 2), (n, 4) -> (...), bool."""
    x0, y0, x1, y1 = boxes[(boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])].T
    x, y = points[..., :1], points[..., 1:]
    across = (x > x0 - margin) & (x < x1 + margin)
    return np.asarray((across & (y > y0 - margin) & (y < y1 + margin)).any(-1))
