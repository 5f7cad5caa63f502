"""Ideal single-neuron cuts (Anderson et al. 2020), separated in linear time at the root.

For z = max(0, a), a = w'v + b over a box of v, and a binary d that is 1 where a > 0, every
subset I of the inputs gives

    z <= sum over I of w_i (v_i - low_i (1 - d)) + (b + sum over the others of w_i high_i) d

with low_i the end of v_i's interval that makes w_i v_i smallest and high_i the other. All of them
together with z >= a, z >= 0 describe the convex hull of one neuron over the box of its inputs;
big-M's z <= h d is weaker. The rows hold in every solution, so the optimum stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import highspy
import numpy as np
import scipy.sparse as sp

from sparsectl.mip.backends import highs_model
from sparsectl.mip.model import MIPModel

VIOLATION = 1e-4
"""A cut is used when the relaxation violates it by this, relative to the reach of a neuron."""

_AT_ONCE = 256
"""Neurons that are read back before the clock is looked at again."""


def strengthen(model: MIPModel, rounds: int, deadline: float | None = None) -> MIPModel:
    """The model with the ideal cuts that its relaxation violates, round after round.

    Args:
        model: what `encode` made.
        rounds: relaxations solved, at most; 0: the model as it is.
        deadline: `time.perf_counter()` value to stop at, or None.

    Returns:
        The model with more rows; those that are slack in the last relaxation are left out. With a
        quadratic cost the model as it is: the linear relaxation would say little.
    """
    if rounds < 1 or not len(model.neurons) or model.q.any():
        return model
    neurons = [n for n in _neurons(model, deadline) if len(n.columns)]
    highs = highs_model.load(model, relax=True)
    cuts: list[Cut] = []
    for _ in range(rounds):
        if not _solved(highs, deadline):
            break
        values = np.asarray(highs.getSolution().col_value)
        found = [cut for n in neurons if (cut := n.separate(values)) is not None]
        if not found:
            break
        for columns, weights, side in found:
            highs.addRow(-highspy.kHighsInf, side, len(columns), columns, weights)
        cuts += found
    if not cuts:
        return model
    if _solved(highs, deadline):
        values = np.asarray(highs.getSolution().col_value)
        cuts = [c for c in cuts if c[1] @ values[c[0]] > c[2] - 1e-7]
    return _with_rows(model, cuts) if cuts else model


def _solved(highs: highspy.Highs, deadline: float | None) -> bool:
    if deadline is not None:
        left = deadline - time.perf_counter()
        if left <= 0:
            return False
        # The limit counts from the model's first run.
        highs.setOptionValue("time_limit", left + highs.getRunTime())
    highs.run()
    return highs.getModelStatus() == highspy.HighsModelStatus.kOptimal


Cut = tuple[np.ndarray, np.ndarray, float]
"""(columns, weights, side): weights @ v[columns] <= side."""


@dataclass(frozen=True)
class _Neuron:
    """z - s = weights @ v[columns] + b, with the ends of every input's interval."""

    z: int
    d: int
    reach: float
    columns: np.ndarray
    weights: np.ndarray
    b: float
    lowest: np.ndarray
    highest: np.ndarray

    def separate(self, values: np.ndarray) -> Cut | None:
        """The most violated cut at a point; None when none is violated."""
        d, w = values[self.d], self.weights
        part = w * (values[self.columns] - self.lowest * (1 - d))
        whole = w * self.highest * d
        inside = part < whole
        side = np.where(inside, part, whole).sum() + self.b * d
        if values[self.z] - side <= VIOLATION * self.reach:
            return None
        # z - sum_I w v - (b + sum_not-I w highest + sum_I w lowest) d <= -sum_I w lowest
        chosen = w[inside]
        constant = float(chosen @ self.lowest[inside])
        on_d = self.b + float(w[~inside] @ self.highest[~inside]) + constant
        columns = np.concatenate([[self.z, self.d], self.columns[inside]]).astype(np.int32)
        return columns, np.concatenate([[1.0, -on_d], -chosen]), -constant


def _neurons(model: MIPModel, deadline: float | None) -> Iterator[_Neuron]:
    """Every neuron's affine map, over its own inputs and over those of the step before.

    Read back from the rows z - s - w'v = b of the neurons and x_t - C v = d of the states. The
    same pre-activation over other inputs has other cuts.
    """
    A, by_column = model.A, model.A.tocsc()
    equal = model.row_low == model.row_high
    states = model.x[:-1].ravel()
    # A state's own row, the first that holds it, is x + rest = side: x is replaced by side - rest.
    own = np.array([_rows_of(by_column, c).min() for c in states], dtype=int)
    for start in range(0, len(model.neurons), _AT_ONCE):
        if deadline is not None and time.perf_counter() > deadline:
            return
        _, _, z, s, d = model.neurons[start : start + _AT_ONCE].T
        rows = [next(int(r) for r in _rows_of(by_column, c) if equal[r]) for c in s]
        weights = _without(-A[rows], np.stack([z, s], axis=1))
        factors = sp.csr_array(weights[:, states])
        before = _without(weights - factors @ A[own], _held(factors, states))
        sides = model.row_low[rows], model.row_low[rows] + factors @ model.row_low[own]
        for i in range(len(rows)):
            yield _neuron(model, z[i], d[i], weights, i, sides[0])
            if factors.indptr[i] < factors.indptr[i + 1]:
                yield _neuron(model, z[i], d[i], before, i, sides[1])


def _held(factors: sp.csr_array, states: np.ndarray) -> list[np.ndarray]:
    """Columns of the states that each row reads."""
    return [states[part] for part in np.split(factors.indices, factors.indptr[1:-1])]


def _without(matrix: sp.csr_array, columns: Sequence[np.ndarray] | np.ndarray) -> sp.csr_array:
    """The matrix with some entries of each row left out, and those that are zero."""
    entries = matrix.tocoo()
    counts = [len(c) for c in columns]
    gone = np.repeat(np.arange(len(counts)), counts), np.concatenate([*columns, np.zeros(0, int)])
    key = entries.row.astype(np.int64) * matrix.shape[1] + entries.col
    kept = ~np.isin(key, gone[0].astype(np.int64) * matrix.shape[1] + gone[1])
    kept &= entries.data != 0
    found = sp.csr_array(
        (entries.data[kept], (entries.row[kept], entries.col[kept])), shape=matrix.shape
    )
    found.sort_indices()
    return found


def _rows_of(by_column: sp.csc_array, column: int) -> np.ndarray:
    return by_column.indices[by_column.indptr[column] : by_column.indptr[column + 1]]


def _neuron(
    model: MIPModel, z: int, d: int, rows: sp.csr_array, row: int, sides: np.ndarray
) -> _Neuron:
    span = slice(rows.indptr[row], rows.indptr[row + 1])
    columns, weights = rows.indices[span], rows.data[span]
    low, high, up = model.low[columns], model.high[columns], weights >= 0
    return _Neuron(
        int(z), int(d), float(model.high[z]), columns, weights, float(sides[row]),
        np.where(up, low, high), np.where(up, high, low),
    )  # fmt: skip


def _with_rows(model: MIPModel, cuts: list[Cut]) -> MIPModel:
    counts = [len(c[0]) for c in cuts]
    rows = sp.csr_array(
        (
            np.concatenate([c[1] for c in cuts]),
            np.concatenate([c[0] for c in cuts]),
            np.concatenate([[0], np.cumsum(counts)]),
        ),
        shape=(len(cuts), model.n),
    )
    return replace(
        model,
        A=sp.csr_array(sp.vstack([model.A, rows], format="csr")),
        row_low=np.concatenate([model.row_low, np.full(len(cuts), -np.inf)]),
        row_high=np.concatenate([model.row_high, [c[2] for c in cuts]]),
    )
