"""The graph of one step as the vertices of its modes: what its convex hull is made of.

A step is x' = D v + Q z(s) + d with v = [x; u]. Its neurons see v only through a few effective
inputs s = S v, so the non-linear part lives in few dimensions whatever the size of the state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.search.hull.cells import Layer, clip, cut
from sparsectl.mip.search.hull.complex import Complex
from sparsectl.program.relu_program import ReluProgram

FLAT = 1e-9
"""Entries of a box narrower than this are constants."""


def effective_inputs(program: ReluProgram, tolerance: float = 1e-10) -> np.ndarray:
    """Basis S of the directions that the neurons see. Shape (dimension, n_in).

    The rows of the first neurons where these are independent (their bounds are the tightest
    known), else a row-reduced basis, which keeps positions and actions apart.
    """
    weights = program.A[:, : program.n_in].toarray()
    first = weights[: program.levels[0].stop] if program.m else weights
    scale = max(abs(weights).max(initial=0.0), 1e-300)
    rank = np.linalg.matrix_rank(weights, tol=tolerance * scale * 1e3) if program.m else 0
    if rank == len(first) and np.linalg.matrix_rank(first, tol=tolerance * scale * 1e3) == rank:
        return first
    return _row_reduced(weights, tolerance * scale * 1e3)


def _row_reduced(weights: np.ndarray, tolerance: float) -> np.ndarray:
    rows, r = weights.copy(), 0
    for j in range(rows.shape[1]):
        if r == len(rows):
            break
        i = r + int(np.argmax(abs(rows[r:, j])))
        if abs(rows[i, j]) <= tolerance:
            continue
        rows[[r, i]] = rows[[i, r]]
        rows[r] /= rows[r, j]
        others = np.arange(len(rows)) != r
        rows[others] -= np.outer(rows[others, j], rows[r])
        r += 1
    return rows[:r]


@dataclass(frozen=True)
class Stage:
    """One step of the horizon.

    Attributes:
        S: effective inputs over this step's inputs. Shape (dimension, inputs).
        D: direct part. Shape (nx, inputs).
        d: Shape (nx,).
        points: effective inputs at the vertices. Shape (n, dimension).
        pre: pre-activations there. Shape (n, m).
        outputs: Q z there. Shape (n, nx).
        Q: Shape (nx, m).
        layers: the neurons over the effective inputs.
        low, high: box of effective inputs. Shape (dimension,).
        sign: neurons that are always on (1) or off (-1): the other side is not listed.
        free: entries of the box that have a width; the others are constants. Shape (dimension,).
        cells: the modes, over the free entries; None where there are none.
    """

    S: np.ndarray
    D: np.ndarray
    d: np.ndarray
    points: np.ndarray
    pre: np.ndarray
    outputs: np.ndarray
    Q: np.ndarray
    layers: tuple[Layer, ...]
    low: np.ndarray
    high: np.ndarray
    sign: np.ndarray
    free: np.ndarray
    cells: Complex | None

    @property
    def modes(self) -> int:
        """Number of modes."""
        return 1 if self.cells is None else self.cells.cells

    def contains(self, low: np.ndarray, high: np.ndarray, sign: np.ndarray) -> bool:
        """Whether the modes inside another box can be cut out of these."""
        inside = (low >= self.low).all() and (high <= self.high).all()
        listed = ((self.sign == 0) | (self.sign == sign)).all()
        return bool(inside and listed and ((high - low > FLAT) == self.free).all())

    def clipped(self, low: np.ndarray, high: np.ndarray, sign: np.ndarray) -> Stage:
        """The part inside a smaller box, where neurons have known signs (1 or -1, else 0)."""
        cells, free = self.cells, self.free
        if cells is not None:
            cells = clip(cells, low[free], high[free], sign)
        return replace(self, low=low, high=high, sign=sign).with_cells(cells)

    def with_cells(self, cells: Complex | None) -> Stage:
        """With other modes, in the same box."""
        points = ((self.low + self.high) / 2)[None]
        if cells is not None:
            points = np.tile(points, (len(cells.values), 1))
            points[:, self.free] = cells.values[:, : self.free.sum()]
        pre, outputs = self.evaluate(points)
        return replace(self, cells=cells, points=points, pre=pre, outputs=outputs)

    def evaluate(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pre-activations (n, m) and outputs Q z (n, nx) at effective inputs (n, dimension)."""
        z, pre = np.zeros((len(s), 0)), []
        for layer in self.layers:
            a = s @ layer.W.T + z @ layer.Z.T + layer.b
            pre.append(a)
            z = np.concatenate([z, np.maximum(a, 0.0)], axis=1)
        return np.concatenate([np.zeros((len(s), 0)), *pre], axis=1), z @ self.Q.T

    def side(self, neuron: int, on: bool) -> Stage:
        """The part where one neuron is on, or off; its box is that of what is left."""
        if self.cells is None:
            return self
        free = self.free
        cells = cut(self.cells, self.cells.values[:, free.sum() + neuron], 1 if on else -1)
        low, high, sign = self.low.copy(), self.high.copy(), self.sign.copy()
        sign[neuron] = 1 if on else -1
        if cells.cells:
            s = cells.values[:, : free.sum()]
            low[free], high[free] = s.min(axis=0), s.max(axis=0)
        return replace(self, low=low, high=high, sign=sign).with_cells(cells)

    def with_points(self, s: np.ndarray) -> Stage:
        """With further points of the graph, for example those of a known plan."""
        pre, outputs = self.evaluate(s)
        return replace(
            self,
            points=np.concatenate([self.points, s]),
            pre=np.concatenate([self.pre, pre]),
            outputs=np.concatenate([self.outputs, outputs]),
        )
