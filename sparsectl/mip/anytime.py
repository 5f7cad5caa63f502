"""Anytime exact planning: an incumbent at once, then a bound, then the gap closes.

1. bounds and model; 2. candidates, each polished by pattern LPs; 3. branch and bound from the
best of them until the deadline; 4. the answer re-rolled in the exact program and polished once
more. The plan is never worse than a candidate, by construction; the bound is the extra product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparsectl.mip.search.engines import (
    FEW_BINARIES,
    WRAP_UP,
    Engine,
    Options,
    choose,
    search,
    worth_a_search,
)
from sparsectl.mip.search.explore import explore
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.solution import Limits, Solution
from sparsectl.mip.solve import bound_neurons, check_finite, prepare
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.types import Status

__all__ = ["Engine", "Options", "Propose", "choose", "plan"]

Propose = Callable[[float | None], Sequence[np.ndarray]]
"""deadline -> action sequences, each of shape (H, nu)."""

_PASSES, _BEFORE_SEARCH = 6, 2
"""Pattern programs for a candidate, at most; candidates polished before the wide search."""
_CANDIDATES = 0.6
"""Without a search in the rest of the time, candidates get all of it."""


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
    check_finite(problem)
    soft = options.soft_penalty
    bounds = bound_neurons(program, problem, options.bounds, soft=soft is not None)
    model = prepare(program, problem, bounds, soft)
    if isinstance(model, Solution):
        return replace(model, seconds=time.perf_counter() - started)
    build_seconds = time.perf_counter() - started
    pool = Pool(program, problem, model, started, soft)
    engine = choose(program, problem, model, options)
    early = None if deadline is None else deadline - _CANDIDATES * (deadline - started)
    later = worth_a_search(engine, program, model, early)
    _fill(pool, propose, options, deadline, later)
    end = None if deadline is None else deadline - WRAP_UP
    solution = None
    if worth_a_search(engine, program, model, deadline):
        solution = search(engine, pool, bounds, options, end)
    return _conclude(solution, pool, options, build_seconds, deadline)


def _fill(
    pool: Pool, propose: Propose, options: Options, deadline: float | None, later: bool
) -> None:
    """Candidates into the pool, widened by a search around them; the best of them polished."""
    end = None
    if deadline is not None:
        share = options.share if later else 1.0
        end = min(pool.started + share * (deadline - pool.started), deadline - WRAP_UP)
    wide = options.explore > 0 and pool.model.binaries > FEW_BINARIES
    plans = list(propose(_half_way(end) if wide else end))
    _polish_best(pool, plans, _BEFORE_SEARCH if wide else options.polish, end)
    if wide and (end is None or time.perf_counter() < end):
        known = [*plans, *(() if pool.actions is None else (pool.actions,))]
        # Without a search to come, polish until the end.
        count = options.explore if later else 3 * options.explore
        found = explore(pool.program, pool.problem, known, count=count, deadline=_half_way(end))
        _polish_best(pool, found, count, end)


def _polish_best(pool: Pool, plans: Sequence[np.ndarray], count: int, end: float | None) -> None:
    """Offer plans; polish the best of them."""
    scored = sorted(((pool.offer(a), i, a) for i, a in enumerate(plans)), key=lambda p: p[:2])
    for _, _, actions in scored[:count]:
        if end is not None and time.perf_counter() > end:
            break
        pool.polish(actions, passes=_PASSES, deadline=end)


def _half_way(end: float | None) -> float | None:
    if end is None:
        return None
    return end - 0.5 * max(end - time.perf_counter(), 0.0)


def _conclude(
    solution: Solution | None,
    pool: Pool,
    options: Options,
    build_seconds: float,
    deadline: float | None,
) -> Solution:
    """The best plan of all, with the best bound that was proved."""
    message = "no time left for branch and bound"
    solution = solution or Solution(Status.NO_SOLUTION, message=message)
    if solution.actions is not None and not pool.cost <= solution.cost:
        pool.offer(solution.actions)
        if solution.status != Status.OPTIMAL:
            pool.polish(solution.actions, passes=2, deadline=deadline)
    floor = pool.model.box_bound()
    bound = floor if solution.bound is None else max(solution.bound, floor)
    common: dict[str, Any] = {
        "bound": bound,
        "binaries": pool.model.binaries,
        "build_seconds": build_seconds,
        "trace": tuple(sorted((*pool.trace, *solution.trace))),
        "plans": pool.different(),
        "seconds": time.perf_counter() - pool.started,
    }
    if pool.actions is None:
        return replace(solution, **common)
    closed = Limits(gap=options.gap).closed(pool.cost, bound)
    claimed = solution.claimed_cost if solution.cost == pool.cost else pool.cost
    return replace(
        solution,
        status=Status.OPTIMAL if closed else Status.FEASIBLE,
        actions=pool.actions,
        states=pool.program.rollout(pool.problem.x0, pool.actions),
        cost=pool.cost,
        claimed_cost=claimed,
        **common,
    )
