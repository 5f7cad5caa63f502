"""How much better the best plan is than the policy, at the worst start: from both sides.

Over a box of starts the policy's cost is at most a'x0 + b (CROWN), which bounds the regret too, as
no plan costs less than nothing. Where that form is near the policy's cost, one mixed-integer
program whose start is free inside the box bounds the cost of every plan less a'x0 from below, and
so the regret from above; where it stops, its own start and plan are an example of a regret.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from sparsectl.mip import Limits, solve
from sparsectl.program import ReluProgram
from sparsectl.program.algebra import affine, compose, precompose, stack
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.inputs import Inputs
from sparsectl.types import Status
from sparsectl.verify.bounds import Bounds, Form
from sparsectl.verify.cases import Parts, Turn
from sparsectl.verify.worst import Worst, maximise

_GAP, _FINE, _BATCH, _SHORTEST = 1e-3, 1e-5, 16, 0.01
_LARGE = 1e12
"""Solvers cannot tell what is much larger from infinity."""
_ROUNDING = 1e-9
"""Share of the policy's cost that is no regret."""


@dataclass
class Regret:
    """The regret of starts, and bounds of it over boxes of starts.

    The policy's cost is compared to that of the best plan which keeps the constraints; where there
    is none, there is no regret.

    Args:
        problem: of a plan: rules for actions included.
        seconds: of a mixed-integer program, at most.
        deadline: after which none is begun, `time.perf_counter()` value, or None.
        best: the largest regret of a start so far.
    """

    bounds: Bounds
    dynamics: ReluProgram
    problem: Problem
    seconds: float
    deadline: float | None = None
    best: float = -np.inf

    @property
    def _left(self) -> float:
        """Time for a mixed-integer program [s]."""
        left = np.inf if self.deadline is None else self.deadline - time.perf_counter()
        return max(0.0, min(self.seconds, left))

    def of(self, starts: np.ndarray) -> np.ndarray:
        """The policy's cost less that of the best plan found. Shapes (n, nx) -> (n,).

        Starts that are no numbers have none.
        """
        found = np.full(len(starts), -np.inf)
        for k in np.flatnonzero(np.isfinite(starts).all(axis=1)):
            if self._left < _SHORTEST:
                break
            found[k] = self.at(starts[k], self._left).value
        self.best = max(self.best, float(found.max(initial=-np.inf)))
        return found

    def at(self, start: np.ndarray, seconds: float, gap: float = _GAP) -> Worst:
        """The regret of one start and a bound of it, by one mixed-integer program.

        Args:
            start: Shape (nx,).
            seconds: for the program.
            gap: of the plan, relative to its cost.
        """
        began = time.perf_counter()
        problem = replace(self.problem, x0=start)
        states, actions = self.bounds.loop.rollout(start)
        if not (abs(states) < _LARGE).all():
            return Worst(-np.inf, start, np.inf, 1, False, 0.0)
        plan = solve(
            self.dynamics, problem, limits=Limits(seconds=seconds, gap=gap),
            starts=[problem.admit(actions)],
        )  # fmt: skip
        cost, value, most = float(self.bounds.loop.costs(start)), -np.inf, np.inf
        if plan.status.has_plan:
            value = cost - plan.cost
            value = 0.0 if abs(value) <= _ROUNDING * abs(cost) else value
        if plan.status is Status.INFEASIBLE:
            most = -np.inf
        elif plan.bound is not None and np.isfinite(plan.bound):
            most = max(value, cost - plan.bound + 1e-7 * (abs(cost) + abs(plan.bound)))
        proved = plan.status in (Status.OPTIMAL, Status.INFEASIBLE)
        return Worst(value, start, most, 1, proved, time.perf_counter() - began)

    def bound(self, parts: Parts) -> tuple[np.ndarray, np.ndarray, list[Turn | None]]:
        """Most regret in cases (B,), neurons, and a start with more than any before, else NaN."""
        below, above, turns = self.bounds.costs(parts, self.deadline)
        most, at = above.most(parts)[0], np.full_like(parts.low, np.nan)
        with np.errstate(invalid="ignore"):
            loose, _ = Form(above.a - below.a, above.b - below.b).most(parts)
        for k in np.flatnonzero(loose <= (most - self.best) / 2):
            if self._left < _SHORTEST:
                break
            found, at[k] = self._box(parts.low[k], parts.high[k], above.a[k], above.b[k])
            most[k] = min(most[k], found)
        return most, at, turns

    def _box(
        self, low: np.ndarray, high: np.ndarray, a: np.ndarray, b: float
    ) -> tuple[float, np.ndarray]:
        middle, nowhere = (low + high) / 2, np.full_like(low, np.nan)
        if b == -np.inf:
            return b, nowhere
        states, actions = self.bounds.loop.rollout(middle)
        if not abs(a) @ (high - low) + abs(b) + abs(states).max() < _LARGE:
            return np.inf, nowhere
        program, problem, shift = free_start(self.dynamics, self.problem, low, high, a)
        half = np.full((len(actions), len(middle)), 1.5)
        first = problem.admit(np.concatenate([actions, half], axis=1))
        limits = Limits(seconds=self._left, gap=0.0, absolute_gap=_GAP * max(1e-9, abs(b)))
        plan = solve(program, problem, limits=limits, starts=[first])
        if plan.status is Status.INFEASIBLE:
            return -np.inf, nowhere
        at = nowhere
        if plan.actions is not None:
            start = low + (plan.actions[0, -len(low) :] - 1.0) * (high - low)
            cost = plan.cost - shift + a @ start
            at = start if self.bounds.loop.costs(start) - cost > self.best else nowhere
        if plan.bound is None or not np.isfinite(plan.bound):
            return np.inf, at
        most = b - (plan.bound - shift)
        return most + 1e-7 * (abs(b) + abs(plan.bound) + abs(shift)), at


def free_start(
    dynamics: ReluProgram, problem: Problem, low: np.ndarray, high: np.ndarray, a: np.ndarray
) -> tuple[ReluProgram, Problem, float]:
    """The problem of a plan and of the start it begins at, of cost less a'x0.

    The state is [x; first; w] with first = 1 at the start and 0 later; further actions v in [1, 2]
    choose the start low + (v - 1) (high - low), by one neuron each that is off later. w of the
    first step is -a'(x0 - middle).

    Returns:
        Program, problem, and what the optimum is too large by.
    """
    nx, nu = problem.nx, problem.nu
    width, middle = high - low, (low + high) / 2
    n_in = nx + 2 + nu + nx
    flag, v = nx, nx + 2 + nu
    A = np.zeros((nx, n_in + nx))
    A[:, v : v + nx] = np.eye(nx)
    A[:, flag] = 4.0
    # [x_in; w'; u]: x_in is x where the flag is 0, else the start that v chooses.
    C = np.zeros((nx + 1 + nu, n_in + nx))
    C[:nx, :nx] = np.eye(nx)
    C[:nx, flag] = low - width
    C[:nx, n_in:] = np.diag(width)
    C[nx, flag] = 1.5 * (a @ width)
    C[nx, n_in:] = -a * width
    C[nx + 1 :, nx + 2 : nx + 2 + nu] = np.eye(nu)
    chosen = ReluProgram(
        n_in, sp.csr_array(A), np.full(nx, -4.0), sp.csr_array(C), np.zeros(len(C))
    )
    take = np.eye(nx + 1 + nu)
    moved = precompose(dynamics, np.concatenate([take[:nx], take[nx + 1 :]]))
    later = affine(np.concatenate([0 * take[:1], take[nx : nx + 1]]), np.zeros(2))
    program = compose(stack([moved, later]), chosen)
    reach = float(abs(a) @ width) / 2
    return program, _extended(problem, reach), problem.horizon * reach + float(a @ middle)


def _extended(problem: Problem, reach: float) -> Problem:
    """The problem of a plan with the further entries of the state and of the actions."""
    nx, nu, more = problem.nx, problem.nu, problem.nx
    cost, terms = problem.cost, []
    for term in cost.terms:
        terms.append(replace(term, E=_wide(term.E)))
    last = np.eye(nx + 2)[-1:]
    terms.append(Term(last, np.array([-reach]), "l1", 1.0, 1.0))
    E, g = cost.action_form(nu)
    square = np.zeros((nu + more, nu + more))
    square[: len(E), :nu] = E
    target = np.concatenate([g, np.zeros(more)])
    priced = None if cost.priced is None else _limits(cost.priced, problem.horizon)
    whole = Cost(tuple(terms), cost.action_norm, cost.action_weight, (square, target), priced)
    rules = problem.inputs
    if rules is not None:
        pieces = (*rules.pieces, *[np.array([[1.0, 2.0]])] * more)
        rules = Inputs(pieces, np.append(rules.rate, np.full(more, np.inf)), None, rules.blocks)
    return Problem(
        np.concatenate([np.zeros(nx), [1.0, 0.0]]), whole,
        _limits(problem.constraints, problem.horizon),
        np.append(problem.u_low, np.ones(more)), np.append(problem.u_high, np.full(more, 2.0)),
        problem.horizon, inputs=rules,
    )  # fmt: skip


def _limits(constraints: Constraints, horizon: int) -> Constraints:
    """Constraints of the longer state; the present point, which is not known, excuses all."""
    regions = []
    for region in constraints.keep_out:
        b = np.array(region.sides(horizon)) if region.between else region.b
        if region.between:
            b[0] = -np.inf
        regions.append(replace(region, P=_wide(region.P), b=b))
    return replace(constraints, G=_wide(constraints.G), keep_out=tuple(regions))


def _wide(E: np.ndarray) -> np.ndarray:
    return np.concatenate([E, np.zeros((len(E), 2))], axis=1)


def worst(
    regret: Regret, low: np.ndarray, high: np.ndarray, gap: float, starts: np.ndarray,
    deadline: float | None,
) -> Worst:  # fmt: skip
    """The worst regret over a box of starts, see `worst.maximise`."""
    if (low == high).all():
        left = np.inf if deadline is None else deadline - time.perf_counter()
        return regret.at(low, max(left, _SHORTEST), _FINE)
    regret = replace(regret, deadline=deadline)
    return maximise(
        regret.of,
        regret.bound,
        low,
        high,
        gap=gap,
        deadline=deadline,
        starts=starts,
        batch=min(_BATCH, regret.bounds.batch),
        scout=regret.bounds.loop.costs,
    )
