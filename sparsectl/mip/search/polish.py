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

from sparsectl.mip import convex
from sparsectl.mip.backends import highs_model
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP

_IMPROVEMENT = 1e-9
_STEPS, _LOOSE = 4, 10.0
"""Steps of sequential linear programming, and how far a neuron may leave its side, 1 being what its
bounds allow on it."""
_WEIGHTS = 2e-9
"""HiGHS' first weights of steepest edges take this for the square of the variables, without a look
at the clock [s] (.25 s for WallPole with 64 + 64 ReLUs and 30 steps). Devex needs none, the first
factors a fifth of that; later programs take 1.5 times as long with it."""


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

    def __init__(self, ocp: OCP, model: MIPModel) -> None:
        # On a threshold of a step neuron the program may not do what the linear program says.
        model = model.strict or model
        self.ocp, self.problem, self.model = ocp, ocp.problem, model
        self._highs = highs_model.load(model, relax=True)
        self._highs.setOptionValue("presolve", "off")
        _, _, z, s, d = model.neurons.T
        others = np.setdiff1d(np.flatnonzero(model.binary), d)
        self._columns = np.concatenate([z, s, d, others]).astype(np.int32)
        self._z, self._s, self._others = z, s, others
        self._cold = not model.q.any()  # quadratic programs are not solved by simplex steps

    def __call__(
        self, actions: np.ndarray, *, passes: int = 3, deadline: float | None = None
    ) -> Polished:
        """Polish one plan; never returns a worse one.

        Args:
            actions: Shape (H, nu), inside the action box.
            passes: at most this many linear programs.
            deadline: `time.perf_counter()` value to stop at, or None.
        """
        states = self.ocp.rollout(actions)
        best = np.asarray(actions, dtype=np.float64)
        cost, solves = float(self.ocp.costs_of(states, best)), 0
        while solves < passes and self._in_time(deadline):
            found = self._solve(self.model.assign(states, best), deadline)
            solves += 1
            if found is None:
                break
            found = self.problem.admit(found)
            rolled = self.ocp.rollout(found)
            value = float(self.ocp.costs_of(rolled, found))
            if not value < cost - _IMPROVEMENT * (1 + abs(cost)):
                break
            best, cost, states = found, value, rolled
        return Polished(best, cost, solves)

    def along(
        self, way: np.ndarray, actions: np.ndarray, *, deadline: float | None = None
    ) -> np.ndarray | None:
        """The best plan found that chooses as `way` does in all but its neurons, or None.

        Between patterns of neurons near a plan and the next ones, a step of sequential linear
        programming, in which their signs at that plan hold everywhere.

        Args:
            way: of all variables, see `MIPModel.assign`. Shape (n,).
            actions: what to start from. Shape (H, nu).
            deadline: `time.perf_counter()` value to stop at, or None.
        """
        best, least = None, np.inf
        for _ in range(_STEPS):
            values = self.model.assign(self.ocp.rollout(actions), actions)
            values[self._others] = way[self._others]
            found = self._solve(values, deadline) if self._in_time(deadline) else None
            if found is not None:
                found = self.problem.admit(found)
                cost = float(self.ocp.costs(found))
                if not cost < least:
                    break
                best, least = found, cost
            moved = self._solve(values, deadline, True) if self._in_time(deadline) else None
            if moved is None:
                break
            actions = self.problem.admit(moved)
        return best

    def _in_time(self, deadline: float | None) -> bool:
        """Whether there is time for a program; without the time for weights it does without."""
        left = np.inf if deadline is None else deadline - time.perf_counter()
        weights = _WEIGHTS * self.model.n**2 if self._cold else 0.0
        if weights > left / 2:
            self._highs.setOptionValue("simplex_dual_edge_weight_strategy", _DEVEX)
        return left > weights / 5

    def _solve(
        self, values: np.ndarray, deadline: float | None, loose: bool = False
    ) -> np.ndarray | None:
        """Actions of the LP whose binaries are those of `values`; None if it is not solved.

        Args:
            loose: neurons may leave the side of zero that they are on, and stay linear.
        """
        on = values[self.model.neurons[:, 4]]
        other = np.round(values[self._others])
        sides = np.concatenate([self.model.high[self._z] * on, self.model.high[self._s] * (1 - on)])
        low = np.concatenate([-_LOOSE * sides if loose else 0 * sides, on, other])
        high = np.concatenate([sides, on, other])
        if self.model.q.any():
            return self._solve_quadratic(low, high, deadline)
        highs = self._highs
        highs.changeColsBounds(len(low), self._columns, low, high)
        if self._cold:
            highs.setBasis(self._crash(on > 0.5))
        self._cold = False
        if deadline is not None:
            left = max(deadline - time.perf_counter(), 0.0)
            highs.setOptionValue("time_limit", highs.getRunTime() + left)
        highs.run()
        if highs.getInfo().primal_solution_status != _FEASIBLE:
            return None
        return np.asarray(highs.getSolution().col_value)[self.model.u]

    def _solve_quadratic(
        self, low: np.ndarray, high: np.ndarray, deadline: float | None
    ) -> np.ndarray | None:
        every_low, every_high = self.model.low.copy(), self.model.high.copy()
        every_low[self._columns], every_high[self._columns] = low, high
        seconds = None if deadline is None else deadline - time.perf_counter()
        found = convex.minimise(self.model, every_low, every_high, seconds)
        return None if found is None else found[self.model.u]

    def _crash(self, on: np.ndarray) -> highspy.HighsBasis:
        """Basis of the rollout itself: what the actions determine is basic, the rest at a bound.

        From here the first LP takes a few dozen pivots instead of one for every row.
        """
        model, kinds = self.model, (highspy.HighsBasisStatus.kLower, _BASIC)
        columns = np.zeros(model.n, dtype=int)
        columns[model.x] = 1
        columns[np.where(on, self._z, self._s)] = 1
        basis = highspy.HighsBasis()
        basis.col_status = [kinds[k] for k in columns.tolist()]
        basis.row_status = [kinds[k] for k in (model.row_low != model.row_high).tolist()]
        basis.valid = True
        return basis


_DEVEX = 1
_BASIC = highspy.HighsBasisStatus.kBasic
_FEASIBLE = highspy.SolutionStatus.kSolutionStatusFeasible
