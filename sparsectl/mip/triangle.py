"""Convex relaxation of a whole horizon: every ReLU by its triangle (Ehlers 2017).

    z >= 0,  z >= a,  z <= slope a + offset      with l <= a <= h: slope = h / (h - l)

One `cvxpy` problem with start, targets, action box and triangles as parameters (disciplined
parametrised programming, Agrawal et al. 2019): compiled once, re-solved with other numbers.
Keep-out regions are not convex and are left out, so the optimum is a lower bound all the same.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import cvxpy as cp
import numpy as np

from sparsectl.errors import MissingExtra
from sparsectl.mip.backends import highs
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.task.cost import Norm

Solver = Literal["highs", "clarabel"]
_NAMES: dict[str, str] = {"highs": cp.HIGHS, "clarabel": cp.CLARABEL}
_MARGIN = 1e-6
"""What the solvers' tolerances may be worth in the optimum, relative to 1 + |optimum|."""
_NO_LIMIT = 1e6
"""Largest violation when constraints are soft, in their own units."""


@dataclass(frozen=True)
class Relaxed:
    """Answer of one solve.

    Attributes:
        status: `optimal`, `infeasible`, `limit` (out of time), or `failed`.
        actions: the relaxation's plan, shape (H, nu), or None. May be there without an optimum.
        bound: lower bound on the cost of every plan; -inf when nothing is known.
        message: the solver's own words.
    """

    status: Literal["optimal", "infeasible", "limit", "failed"]
    actions: np.ndarray | None
    bound: float
    message: str


class Triangle:
    """The relaxation of one program, horizon, cost structure and constraint set.

    Args:
        program: dynamics program.
        problem: gives horizon, cost structure and constraints; its numbers may change later.
        soft_penalty: cost per unit of violation where constraints are soft.
    """

    def __init__(self, program: ReluProgram, problem: Problem, soft_penalty: float = 0.0) -> None:
        program.require_relus("the triangle relaxation")
        horizon, nx, nu, m = problem.horizon, problem.nx, problem.nu, program.m
        self.structure = structure(problem)
        self._m = m
        self._x0, self._low, self._high = cp.Parameter(nx), cp.Parameter(nu), cp.Parameter(nu)
        self._targets = [cp.Parameter((1, len(term.target))) for term in problem.cost.terms]
        self._excess = cp.Parameter(nonneg=True)
        x, self._u = cp.Variable((horizon + 1, nx)), cp.Variable((horizon, nu))
        ones, n = np.ones((horizon, 1)), program.n_in
        rules = [x[0] == self._x0]
        rules += [self._u >= ones @ self._low[None], self._u <= ones @ self._high[None]]
        C = program.C.toarray()
        following = x[:-1] @ C[:, :nx].T + self._u @ C[:, nx:n].T + ones @ program.d[None]
        if m:
            z, neurons = self._neurons(program, horizon, x)
            rules += neurons
            following = following + z @ C[:, n:].T
        rules.append(x[1:] == following)
        total = _distance(self._u, problem.cost.action_norm, 0.0) @ (
            problem.cost.action_weight * np.ones(horizon)
        )
        for term, target in zip(problem.cost.terms, self._targets, strict=True):
            error = x[1:] @ term.E.T - ones @ target
            total = total + _distance(error, term.norm, term.dead_zone) @ term.weights(horizon)
        G, h = problem.constraints.G, problem.constraints.h
        if len(h):
            slack = cp.Variable((horizon, len(h)), nonneg=True)
            rules += [x[1:] @ G.T <= ones @ h[None] + slack, slack <= self._excess]
            total = total + soft_penalty * cp.sum(slack)
        self._problem = cp.Problem(cp.Minimize(total), rules)

    def _neurons(self, program: ReluProgram, horizon: int, x: Any) -> tuple[Any, list[Any]]:
        """Neurons after their ReLU, and what holds for them."""
        A, n, nx = program.A.toarray(), program.n_in, program.n_out
        shape = (horizon, program.m)
        self._slope, self._offset = cp.Parameter(shape, nonneg=True), cp.Parameter(shape)
        z, a = cp.Variable(shape, nonneg=True), cp.Variable(shape)
        ones = np.ones((horizon, 1))
        inputs = x[:-1] @ A[:, :nx].T + self._u @ A[:, nx:n].T + z @ A[:, n:].T
        above = cp.multiply(self._slope, a) + self._offset
        return z, [a == inputs + ones @ program.b[None], z >= a, z <= above]

    def solve(
        self,
        problem: Problem,
        bounds: HorizonBounds,
        solver: Solver,
        *,
        soft: bool = False,
        seconds: float | None = None,
    ) -> Relaxed:
        """Solve for one decision.

        Args:
            problem: of the same structure as the one it was made from.
            bounds: sound bounds on the neurons.
            solver: which one.
            soft: constraints may be violated at a price.
            seconds: time limit of the solver [s], or None.

        Raises:
            MissingExtra: the solver is not installed.
        """
        if _NAMES[solver] not in cp.installed_solvers():
            package = {"highs": "highspy", "clarabel": "clarabel"}[solver]
            raise MissingExtra(f"solver '{solver}' is not installed: pip install {package}")
        if not np.isfinite([bounds.pre_low, bounds.pre_high]).all():
            return Relaxed("failed", None, -np.inf, "the neurons' bounds are not finite")
        self._fill(problem, bounds, soft)
        # HiGHS keeps one pool of threads per process: all of its users here ask for the same size.
        options: dict[str, Any] = {"threads": 1} if solver == "highs" else {}
        if seconds is not None:
            options["time_limit"] = max(seconds, 1e-3)
        highs._silence()
        try:
            # cvxpy multiplies infinite bounds by zeros on its way; the status is read below.
            with np.errstate(invalid="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                self._problem.solve(solver=_NAMES[solver], **options)
        except (cp.SolverError, ValueError, ArithmeticError) as error:
            return Relaxed("failed", None, -np.inf, f"{solver}: {error}".splitlines()[0])
        return self._read(solver)

    def _fill(self, problem: Problem, bounds: HorizonBounds, soft: bool) -> None:
        self._x0.value = problem.x0
        self._low.value, self._high.value = problem.u_low, problem.u_high
        self._excess.value = _NO_LIMIT if soft else 0.0
        for parameter, term in zip(self._targets, problem.cost.terms, strict=True):
            parameter.value = term.target[None]
        if self._m:
            low, high = bounds.pre_low, bounds.pre_high
            unstable = bounds.unstable
            slope = np.where(unstable, high / np.where(unstable, high - low, 1.0), low >= 0)
            self._slope.value = slope
            self._offset.value = np.where(unstable, -slope * low, 0.0)

    def _read(self, solver: str) -> Relaxed:
        status, words = self._problem.status, f"{solver}: {self._problem.status}"
        actions = self._u.value
        if actions is not None and not np.isfinite(actions).all():
            actions = None
        if status == cp.OPTIMAL:
            value = float(self._problem.value)
            return Relaxed("optimal", actions, value - _MARGIN * (1 + abs(value)), words)
        if status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
            return Relaxed("infeasible", None, -np.inf, words)
        kind: Any = "limit" if status == cp.USER_LIMIT else "failed"
        return Relaxed(kind, actions, -np.inf, words)


def structure(problem: Problem) -> tuple:
    """What a compiled relaxation depends on, apart from its parameters."""
    cost, limits = problem.cost, problem.constraints
    terms = tuple(
        (t.E.tobytes(), t.E.shape, t.norm, t.weight, t.terminal_weight, t.dead_zone)
        for t in cost.terms
    )
    fixed = (limits.G.tobytes(), limits.h.tobytes())
    return (problem.horizon, terms, cost.action_norm, cost.action_weight, fixed)


def _distance(error: Any, norm: Norm, dead_zone: float) -> Any:
    """Distance of every row of `error` (steps, entries). Shape (steps,)."""
    if norm == "l2sq":
        return cp.sum(cp.square(error), axis=1)
    size: Any = cp.abs(error)
    size = cp.sum(size, axis=1) if norm == "l1" else cp.max(size, axis=1)
    return cp.pos(size - dead_zone) if dead_zone else size
