"""A solver's claim about a small model, proved again: a branch and bound of our own.

Every node's bound comes from the multipliers of its linear program by weak duality, and so does
every proof that a node is empty (Farkas), so that no tolerance of a solver enters. A squared cost
is bounded from below by tangents, which are added where a linear program's solution lies.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np

from sparsectl.mip import dual_bound
from sparsectl.mip.backends import highs_model
from sparsectl.mip.backends.outer_approximation import add_tangents
from sparsectl.mip.model import MIPModel
from sparsectl.mip.solution import NUMERICAL_GAP

_INTEGRAL = 1e-9
"""Distance from a whole number that is none."""
_EMPTY = 1e-9
"""A node is empty where multipliers of at most one prove more than this of violation."""
_ROUNDS = 20
"""Linear programs of a node with a squared cost, at most."""


@dataclass(frozen=True)
class Proved:
    """What the branch and bound shows.

    Attributes:
        bound: lower bound on the cost of every assignment; inf: there is none; -inf: unknown.
        values: an assignment that costs less than was claimed, shape (n,), or None.
    """

    bound: float
    values: np.ndarray | None
    solves: int


def prove(model: MIPModel, claimed: float, most: int, deadline: float | None = None) -> Proved:
    """Whether no assignment costs less than somebody claims.

    Args:
        claimed: a lower bound on its cost; inf: that it has no solution.
        most: linear programs after which to give up.
        deadline: `time.perf_counter()` value to give up at, or None.
    """
    nodes, best, proved = _Nodes(model), None, np.inf
    cutoff, stack = _below(claimed), [(model.low, model.high)]
    while stack:
        left = np.inf if deadline is None else deadline - time.perf_counter()
        if nodes.solves >= most or left <= 0:
            return Proved(-np.inf, best, nodes.solves)
        low, high = stack.pop()
        bound, values = nodes.solve(low, high, cutoff, left)
        free = np.flatnonzero(model.binary & (low < high))
        if values is not None and bound < cutoff:
            away = abs(values[free] - np.round(values[free]))
            if away.max(initial=0.0) <= _INTEGRAL:
                fixed = _fixed(low, high, free, np.round(values[free]))
                found = nodes.solve(*fixed, cutoff, left)[1] if len(free) else values
                if found is not None and model.objective(found) < cutoff:
                    best, cutoff = found, _below(model.objective(found))
        if bound >= cutoff:
            proved = min(proved, bound)
        elif len(free):
            at = free[0] if values is None else free[np.argmax(away)]
            middle = (low[at] + high[at]) / 2 if values is None else values[at]
            below = np.clip(np.floor(middle), low[at], high[at] - 1)
            stack += [(low, _with(high, at, below)), (_with(low, at, below + 1), high)]
        else:
            return Proved(-np.inf, best, nodes.solves)
    return Proved(proved, best, nodes.solves)


def _below(cost: float) -> float:
    return cost - NUMERICAL_GAP * (1 + abs(cost)) if np.isfinite(cost) else cost


def _fixed(
    low: np.ndarray, high: np.ndarray, columns: np.ndarray | int, values: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    return _with(low, columns, values), _with(high, columns, values)


def _with(array: np.ndarray, columns: np.ndarray | int, values: np.ndarray | float) -> np.ndarray:
    array = array.copy()
    array[columns] = values
    return array


class _Nodes:
    """The relaxation in HiGHS, solved warm for one node after another."""

    def __init__(self, model: MIPModel) -> None:
        self.model, self.solves = model, 0
        self._squared = np.flatnonzero(model.q)
        k = len(self._squared)
        self._highs = highs_model.load(model, relax=True, squares=k)
        self._highs.setOptionValue("presolve", "off")
        self._extra = np.arange(model.n, model.n + k)
        self._transposed = model.A.T.tocsr()
        self._every = np.arange(model.n, dtype=np.int32)
        if k:
            self._highs.changeColsCost(k, self._extra.astype(np.int32), model.q[self._squared])
            for point in (model.low, (model.low + model.high) / 2, model.high):
                add_tangents(self._highs, self._squared, self._extra, point[self._squared])

    def solve(
        self, low: np.ndarray, high: np.ndarray, cutoff: float, seconds: float
    ) -> tuple[float, np.ndarray | None]:
        """(proved lower bound; inf: empty), and a solution of the relaxation, or None."""
        model, highs, bound = self.model, self._highs, -np.inf
        highs.changeColsBounds(model.n, self._every, low, high)
        highs.setOptionValue("time_limit", highs.getRunTime() + seconds)
        for _ in range(_ROUNDS):
            highs.run()
            self.solves += 1
            status = highs.getModelStatus()
            if status == highspy.HighsModelStatus.kInfeasible:
                _, there, ray = highs.getDualRay()  # type: ignore[attr-defined]
                return (np.inf if there and self._empty(ray, low, high) else -np.inf), None
            if status != highspy.HighsModelStatus.kOptimal:
                return bound, None
            solution = highs.getSolution()
            y, values = np.asarray(solution.row_dual), np.asarray(solution.col_value)
            bound = max(bound, self._bound(y, low, high))
            short = model.q[self._squared] @ (values[self._squared] ** 2 - values[model.n :])
            if bound >= cutoff or short <= NUMERICAL_GAP / 10:
                break
            add_tangents(highs, self._squared, self._extra, values[self._squared])
        return bound, values[: model.n]

    def _bound(self, y: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
        model = self.model
        y = dual_bound.fair(y[: len(model.row_low)], model.row_low, model.row_high)
        bound = dual_bound.parts(
            y, model.c, self._transposed, model.row_low, model.row_high, low, high, model.q
        )
        return dual_bound.rounded_down(bound + model.offset)

    def _empty(self, ray: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
        model = self.model
        for sign in (1.0, -1.0):
            y = dual_bound.fair(sign * ray[: len(model.row_low)], model.row_low, model.row_high)
            violation = dual_bound.parts(
                y, 0 * model.c, self._transposed, model.row_low, model.row_high, low, high
            )
            if violation > _EMPTY * max(abs(y).max(initial=0.0), 1e-300):
                return True
        return False
