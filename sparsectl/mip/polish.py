"""Pattern LP: the best plan inside one activation pattern, and a walk to better neighbours.

With every neuron's sign fixed the planning problem is a linear (or convex quadratic) program.
Its solution sits on pattern boundaries; re-rolling it and fixing the new pattern descends to a
local optimum over patterns in a few warm-started solves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np

from sparsectl.mip import highs as highs_backend
from sparsectl.mip.model import MIPModel
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem

_IMPROVEMENT = 1e-9


@dataclass(frozen=True)
class Polished:
    """A plan after polishing.

    Attributes:
        actions: Shape (H, nu).
        cost: cost of the exact rollout.
        solves: linear programs solved.
    """

    actions: np.ndarray
    cost: float
    solves: int


class Polisher:
    """Pattern LPs of one `MIPModel`, loaded into HiGHS once and re-solved warm."""

    def __init__(self, program: ReluProgram, problem: Problem, model: MIPModel) -> None:
        self.program, self.problem, self.model = program, problem, model
        self._highs = highs_backend.load(model, relax=True)
        self._highs.setOptionValue("presolve", "off")
        if model.q.any():
            highs_backend.pass_diagonal(self._highs, model)
        _, _, z, s, d = model.neurons.T
        others = np.setdiff1d(np.flatnonzero(model.binary), d)
        self._columns = np.concatenate([z, s, d, others]).astype(np.int32)
        self._z, self._s, self._others = z, s, others

    def __call__(
        self, actions: np.ndarray, *, passes: int = 3, deadline: float | None = None
    ) -> Polished:
        """Polish one plan; never returns a worse one.

        Args:
            actions: Shape (H, nu), inside the action box.
            passes: at most this many linear programs.
            deadline: `time.perf_counter()` value to stop at, or None.
        """
        states = self.program.rollout(self.problem.x0, actions)
        best = np.asarray(actions, dtype=np.float64)
        cost, solves = self._score(states, best), 0
        while solves < passes and (deadline is None or time.perf_counter() < deadline):
            found = self._solve(self.model.assign(states, best))
            solves += 1
            if found is None:
                break
            found = np.clip(found, self.problem.u_low, self.problem.u_high)
            rolled = self.program.rollout(self.problem.x0, found)
            value = self._score(rolled, found)
            if not value < cost - _IMPROVEMENT * (1 + abs(cost)):
                break
            best, cost, states = found, value, rolled
        return Polished(best, cost, solves)

    def _score(self, states: np.ndarray, actions: np.ndarray) -> float:
        if float(self.problem.constraints.violation(states)) > 1e-6:
            return np.inf
        return float(self.problem.cost(states, actions))

    def _solve(self, values: np.ndarray) -> np.ndarray | None:
        """Actions of the LP whose binaries are those of `values`."""
        on = values[self.model.neurons[:, 4]]
        other = np.round(values[self._others])
        low = np.concatenate([np.zeros(2 * len(on)), on, other])
        high = np.concatenate(
            [self.model.high[self._z] * on, self.model.high[self._s] * (1 - on), on, other]
        )
        self._highs.changeColsBounds(len(low), self._columns, low, high)
        self._highs.run()
        if self._highs.getInfo().primal_solution_status != _FEASIBLE:
            return None
        return np.asarray(self._highs.getSolution().col_value)[self.model.u]


_FEASIBLE = highspy.SolutionStatus.kSolutionStatusFeasible
