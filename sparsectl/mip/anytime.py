"""Anytime exact planning: an incumbent at once, then a bound, then the gap closes.

1. bounds and model; 2. candidates, each polished by pattern LPs; 3. branch and bound from the
best of them until the deadline; 4. the answer re-rolled in the exact program and polished once
more. The plan is never worse than a candidate, by construction; the bound is the extra product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sparsectl.mip.model import MIPModel
from sparsectl.mip.polish import Polisher
from sparsectl.mip.solution import Limits, Solution
from sparsectl.mip.solve import Backend, BoundMethod, prepare, run
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.types import Status

Propose = Callable[[float | None], Sequence[np.ndarray]]
"""deadline -> action sequences, each of shape (H, nu)."""

_WRAP_UP = 0.012
"""Kept free at the end for the last re-roll and polish [s]."""
_ROOT_SECONDS = 1.5e-5
"""Time that a solver needs per non-zero before it has a bound at all [s], about."""


@dataclass(frozen=True)
class Options:
    """Settings of `plan`."""

    backend: Backend = "scip"
    bounds: BoundMethod = "crown"
    gap: float = 1e-4
    nodes: int | None = None
    share: float = 0.25
    """Share of the time that candidates may take."""
    polish: int = 4
    """How many candidates are polished; 0: none."""
    soft_penalty: float | None = None


@dataclass
class _Pool:
    """Candidates and the incumbent, with its history."""

    program: ReluProgram
    problem: Problem
    started: float
    penalty: float
    actions: np.ndarray | None = None
    cost: float = np.inf
    trace: list[tuple[float, float, float]] = field(default_factory=list)

    def offer(self, actions: np.ndarray) -> float:
        """Cost of a plan, penalties included; kept if it is the best so far."""
        problem = self.problem
        actions = np.clip(actions, problem.u_low, problem.u_high)
        states = self.program.rollout(problem.x0, actions)
        violation = float(problem.constraints.violation(states))
        cost = float(problem.cost(states, actions))
        cost += self.penalty * violation if violation > 1e-6 else 0.0
        if np.isfinite(cost) and cost < self.cost:
            self.actions, self.cost = actions, cost
            self.trace.append((time.perf_counter() - self.started, cost, -np.inf))
        return cost


def plan(
    program: ReluProgram,
    problem: Problem,
    propose: Propose,
    options: Options | None = None,
    deadline: float | None = None,
) -> Solution:
    """Best plan found by the deadline, with a proven bound where there was time for one.

    Args:
        program: dynamics program.
        problem: the decision.
        propose: called once with a deadline of its own; gives starting plans.
        options: settings.
        deadline: `time.perf_counter()` value, or None: until the gap is closed.

    Raises:
        NonFiniteError: a NaN or infinity in the problem.
    """
    options, started = options or Options(), time.perf_counter()
    prepared = prepare(program, problem, options.bounds, options.soft_penalty)
    if isinstance(prepared, Solution):
        return replace(prepared, seconds=time.perf_counter() - started)
    build_seconds = time.perf_counter() - started
    # A constrained incumbent must satisfy its constraints: infinite penalty when they are hard.
    pool = _Pool(program, problem, started, options.soft_penalty or np.inf)
    search = deadline is None or _worth_a_search(prepared, deadline)
    _fill(pool, prepared, propose, options, deadline, search)
    starts = [] if pool.actions is None else [pool.actions]
    left = None if deadline is None else deadline - _WRAP_UP - time.perf_counter()
    if not search or (left is not None and left <= 0):
        return _incumbent(pool, prepared, options, started, build_seconds)
    limits = Limits(left, options.nodes, options.gap)
    solution = run(
        program, problem, prepared, limits, starts, options.backend, options.soft_penalty
    )
    return _best(solution, pool, prepared, options, started, build_seconds, deadline)


def _worth_a_search(model: MIPModel, deadline: float) -> bool:
    """Whether a solver could say anything before the deadline."""
    left = deadline - _WRAP_UP - time.perf_counter()
    return left > _ROOT_SECONDS * model.A.nnz


def _fill(
    pool: _Pool,
    model: MIPModel,
    propose: Propose,
    options: Options,
    deadline: float | None,
    search: bool,
) -> None:
    end = None
    if deadline is not None:
        share = options.share if search else 1.0
        end = min(pool.started + share * (deadline - pool.started), deadline - _WRAP_UP)
    scored = sorted(((pool.offer(a), i, a) for i, a in enumerate(propose(end))), key=lambda p: p[0])
    if options.polish and options.soft_penalty is None and scored:
        polisher = Polisher(pool.program, pool.problem, model)
        for _, _, actions in scored[: options.polish]:
            if end is not None and time.perf_counter() > end:
                break
            pool.offer(polisher(actions, deadline=end).actions)


def _incumbent(
    pool: _Pool, model: MIPModel, options: Options, started: float, build_seconds: float
) -> Solution:
    """No time for a search: the best candidate, and the bound that the state boxes prove."""
    common: dict[str, Any] = {
        "binaries": model.binaries,
        "seconds": time.perf_counter() - started,
        "build_seconds": build_seconds,
        "message": "no time left for branch and bound",
        "trace": tuple(pool.trace),
        "bound": model.box_bound(),
    }
    if pool.actions is None:
        return Solution(Status.NO_SOLUTION, **common)
    states = pool.program.rollout(pool.problem.x0, pool.actions)
    closed = Limits(gap=options.gap).closed(pool.cost, common["bound"])
    status = Status.OPTIMAL if closed else Status.FEASIBLE
    return Solution(status, pool.actions, states, pool.cost, pool.cost, **common)


def _best(
    solution: Solution,
    pool: _Pool,
    model: MIPModel,
    options: Options,
    started: float,
    build_seconds: float,
    deadline: float | None,
) -> Solution:
    """The better of the solver's answer and the incumbent, polished, with its trace."""
    found = solution.cost
    if solution.actions is not None:
        pool.offer(solution.actions)
        if options.polish and options.soft_penalty is None and solution.status != Status.OPTIMAL:
            polisher = Polisher(pool.program, pool.problem, model)
            polished = polisher(solution.actions, passes=2, deadline=deadline)
            pool.offer(polished.actions)
    trace = (*pool.trace, *solution.trace)
    last: dict[str, Any] = {"build_seconds": build_seconds, "trace": tuple(sorted(trace))}
    if solution.bound is None:
        solution = replace(solution, bound=model.box_bound())
    if pool.actions is not None and not pool.cost >= found:
        states = pool.program.rollout(pool.problem.x0, pool.actions)
        closed = solution.bound is not None and Limits(gap=options.gap).closed(
            pool.cost, solution.bound
        )
        solution = replace(
            solution, actions=pool.actions, states=states, cost=pool.cost,
            claimed_cost=pool.cost, status=Status.OPTIMAL if closed else Status.FEASIBLE,
        )  # fmt: skip
    return replace(solution, seconds=time.perf_counter() - started, **last)
