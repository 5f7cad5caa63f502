"""A solver-neutral mixed-integer model: plain arrays plus the map back to plans.

minimise  c'v + v' diag(q) v + offset
s.t.      row_low <= A v <= row_high,  low <= v <= high,  v_i whole for i in `binary`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

Fill = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
"""(values, states, actions) -> writes the values of some variables, given a rollout."""


@dataclass(frozen=True)
class MIPModel:
    """A planning problem as a mixed-integer program.

    Attributes:
        c: linear cost. Shape (n,).
        q: diagonal of the quadratic cost, >= 0. Shape (n,).
        offset: constant cost.
        low, high: variable bounds. Shape (n,).
        binary: variables that take whole numbers, 0 and 1 but where levels are counted. Shape (n,).
        A: rows, CSR. Shape (rows, n).
        row_low, row_high: Shape (rows,).
        u: variable of every action entry. Shape (H, nu), int.
        x: variable of every state entry of x_1..x_H. Shape (H, nx), int.
        neurons: (step, neuron, variables z, s, binary), one row per ReLU kept, with z - s the
            pre-activation. Shape (unstable, 5), int.
        infeasible: label of a constraint that no plan satisfies, or None.
        strict: the same variables and cost, with step neurons at least a margin away from their
            threshold (see `steps`); None where there are no step neurons.
    """

    c: np.ndarray
    q: np.ndarray
    offset: float
    low: np.ndarray
    high: np.ndarray
    binary: np.ndarray
    A: sp.csr_array
    row_low: np.ndarray
    row_high: np.ndarray
    u: np.ndarray
    x: np.ndarray
    neurons: np.ndarray
    infeasible: str | None = None
    fills: tuple[Fill, ...] = field(default=(), repr=False)
    strict: MIPModel | None = field(default=None, repr=False)

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.c)

    @property
    def binaries(self) -> int:
        """Number of variables that take whole numbers."""
        return int(self.binary.sum())

    def assign(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Value of every variable for an exact rollout: a complete warm start. Shape (n,).

        Args:
            states: Shape (H + 1, nx).
            actions: Shape (H, nu).
        """
        values = np.zeros(self.n)
        values[self.u] = actions
        values[self.x] = states[1:]
        for fill in self.fills:
            fill(values, states, actions)
        return values

    def box_bound(self) -> float:
        """Lower bound on the cost from the variables' bounds alone."""
        linear = np.where(self.c > 0, self.c * self.low, self.c * self.high)
        crosses = (self.low < 0) & (self.high > 0)
        least = np.where(crosses, 0.0, np.minimum(self.low**2, self.high**2))
        return float(linear[self.c != 0].sum() + self.q @ least + self.offset)

    def objective(self, values: np.ndarray) -> float:
        """Cost of an assignment."""
        return float(self.c @ values + self.q @ values**2 + self.offset)

    def violation(self, values: np.ndarray) -> float:
        """Largest violation of a row, bound or integrality."""
        rows = self.A @ values
        parts = [
            self.row_low - rows,
            rows - self.row_high,
            self.low - values,
            values - self.high,
            abs(values - np.round(values))[self.binary],
        ]
        return max((float(p.max()) for p in parts if len(p)), default=0.0)


class Builder:
    """Collects variables and rows, then freezes them into a `MIPModel`."""

    def __init__(self) -> None:
        self._low: list[np.ndarray] = []
        self._high: list[np.ndarray] = []
        self._binary: list[np.ndarray] = []
        self._data: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        self._columns: list[np.ndarray] = []
        self._row_low: list[np.ndarray] = []
        self._row_high: list[np.ndarray] = []
        self._cost: list[tuple[np.ndarray, np.ndarray]] = []
        self._quadratic: list[tuple[np.ndarray, np.ndarray]] = []
        self.offset = 0.0
        self.fills: list[Fill] = []
        self.n = 0
        self.rows = 0

    def variables(
        self, low: np.ndarray | float, high: np.ndarray | float, size: int, binary: bool = False
    ) -> np.ndarray:
        """New variables; returns their indices. Shape (size,)."""
        self._low.append(_column(low, size))
        self._high.append(_column(high, size))
        self._binary.append(np.full(size, binary))
        self.n += size
        return np.arange(self.n - size, self.n)

    def add(
        self,
        blocks: list[tuple[np.ndarray, np.ndarray]],
        low: np.ndarray | float,
        high: np.ndarray | float,
    ) -> None:
        """Rows `low <= sum of M v[columns] <= high` for blocks (columns, M).

        M of shape (rows, columns), or (rows,) for a diagonal block.
        """
        size = next(len(M) for _, M in blocks)
        for columns, M in blocks:
            if M.ndim == 1:
                row, column, data = np.arange(size), columns, M
            else:
                row, position = np.nonzero(M)
                column, data = columns[position], M[row, position]
            self._rows.append(row + self.rows)
            self._columns.append(column)
            self._data.append(data)
        self._row_low.append(_column(low, size))
        self._row_high.append(_column(high, size))
        self.rows += size

    def cost(self, columns: np.ndarray, weights: np.ndarray | float) -> None:
        """Add a linear cost."""
        self._cost.append((columns, np.broadcast_to(weights, len(columns))))

    def quadratic(self, columns: np.ndarray, weights: np.ndarray | float) -> None:
        """Add `weights * v[columns]**2`."""
        self._quadratic.append((columns, np.broadcast_to(weights, len(columns))))

    def linear_cost(self) -> tuple[np.ndarray, np.ndarray]:
        """Variables with a linear cost and their weights; each variable once."""
        total = np.zeros(self.n)
        for columns, weights in self._cost:
            np.add.at(total, columns, weights)
        costly = np.flatnonzero(total)
        return costly, total[costly]

    def freeze(
        self, u: np.ndarray, x: np.ndarray, neurons: np.ndarray, infeasible: str | None
    ) -> MIPModel:
        """The finished model."""
        c, q = np.zeros(self.n), np.zeros(self.n)
        for target, items in ((c, self._cost), (q, self._quadratic)):
            for columns, weights in items:
                np.add.at(target, columns, weights)
        A = sp.csr_array(
            (_join(self._data), (_join(self._rows, int), _join(self._columns, int))),
            shape=(self.rows, self.n),
        )
        return MIPModel(
            c=c, q=q, offset=self.offset, low=_join(self._low), high=_join(self._high),
            binary=_join(self._binary, bool), A=A, row_low=_join(self._row_low),
            row_high=_join(self._row_high), u=u, x=x, neurons=neurons, infeasible=infeasible,
            fills=tuple(self.fills),
        )  # fmt: skip


def _column(value: np.ndarray | float, size: int) -> np.ndarray:
    """A number for each of them, from these or one for all."""
    if isinstance(value, np.ndarray) and value.shape == (size,):
        return value
    return np.full(size, value, dtype=np.float64)


def _join(parts: list[np.ndarray], kind: type = float) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)
