"""Anytime exact planning: an incumbent at once, then a bound, then the gap closes.

1. bounds and model; 2. candidates, each polished by pattern LPs; 3. branch and bound from the
best of them until the deadline; 4. the answer re-rolled in the exact program and polished once
more. The plan is never worse than a candidate, by construction; the bound is the extra product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sparsectl.mip.claims import Known, restore
from sparsectl.mip.names import AUTO
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import BY_BOUNDS, bound_neurons, check_finite, prepare
from sparsectl.mip.scale import Scaling, scaled
from sparsectl.mip.search import changes, enumeration, lattice, regions
from sparsectl.mip.search.contract import Outcome
from sparsectl.mip.search.engines import (
    FEW_BINARIES,
    WRAP_UP,
    Options,
    choose,
    search,
    worth_a_search,
)
from sparsectl.mip.search.explore import explore
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.solution import Limits, Solution
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.threads import one_thread
from sparsectl.types import Status

__all__ = ["Options", "Propose", "plan"]

Propose = Callable[[float | None], Sequence[np.ndarray]]
"""deadline -> action sequences, each of shape (H, nu)."""

_PASSES, _BEFORE_SEARCH = 6, 2
"""Pattern programs for a candidate, at most; candidates polished before the wide search."""
_DISCRETE, _CHANGED = 0.6, 3
"""Share of the time that candidates may take where inputs take values of finite sets only, and how
many of them are changed value by value."""
_SHORT, _BRIEF = 0.7, 0.3
"""That share among regions where there is so little time [s] that no solver leaves its root."""
_PROGRAMMED, _LEAST_PROGRAMMED, _MOST_PROGRAMMED = 0.6, 0.135, 0.75
"""Share of it that dynamic programming takes; at least so many seconds, for which it may take the
larger share."""
_OVERRUN = 0.03
"""Share of the time by which a solver stops before it should, as it may be that late (HiGHS on the
Flyer, 1 s: 10 of 39 decisions were late by up to 15 ms beyond `WRAP_UP`)."""
_BOUNDS = 0.3
"""Share of the time that neurons are bounded in as well as can be."""
_CANDIDATES = 0.6
"""Without a search in the rest of the time, candidates get all of it."""


@one_thread()
def plan(
    program: ReluProgram,
    problem: Problem,
    propose: Propose,
    options: Options | None = None,
    deadline: float | None = None,
) -> Solution:
    """Best plan found by the deadline, with a proven bound where there was time for one.

    Args:
        propose: called once with a deadline of its own; gives starting plans.
        deadline: `time.perf_counter()` value, or None: until the gap is closed.

    Raises:
        NonFiniteError: a NaN or infinity in the problem.
        ConfigError: an engine that cannot plan here.
    """
    options, started = options or Options(), time.perf_counter()
    check_finite(problem)
    ocp = OCP(program, problem, options.soft_penalty)
    own, scaling = scaled(ocp)
    allowed = (options.tolerance or 0.0) / scaling.cost_unit
    limits = Limits(nodes=options.nodes, gap=options.gap, absolute_gap=allowed)
    end = None if deadline is None else deadline - max(WRAP_UP, _OVERRUN * (deadline - started))
    every = enumeration.plans(own.problem) if options.backend == AUTO else None
    solution = None if every is None else _best_of(own, every, end)
    if solution is not None:
        found = restore(solution, ocp, own, scaling, limits, Known.of(own))
        return replace(found, seconds=time.perf_counter() - started)
    first = _first(own, scaling, propose, options, started, deadline)
    began = time.perf_counter()
    until = None if deadline is None else began + _BOUNDS * (deadline - began)
    bounds = bound_neurons(own.program, own.problem, options.bounds, soft=own.soft, until=until)
    model = prepare(own, bounds)
    build_seconds = time.perf_counter() - began
    if isinstance(model, Solution):
        model = replace(model, build_seconds=build_seconds)
        found = restore(model, ocp, own, scaling, limits, Known.of(own, first or ()))
        return replace(found, seconds=time.perf_counter() - started)
    pool = Pool(own, model, started, end)
    engine = choose(own, model, options)
    early = None if deadline is None else deadline - _CANDIDATES * (deadline - started)
    later = worth_a_search(engine, own.program, model, early)
    if first is None:
        given = lambda end: [scaling.actions(a) for a in propose(end)]  # noqa: E731
        _fill(pool, given, options, deadline, later)
    else:
        for actions in first:
            pool.offer(actions)
        if not pool.all_discrete:
            _polish_best(pool, first, options.polish, end)
    outcome = Outcome(message="no time left for branch and bound")
    if worth_a_search(engine, own.program, model, deadline):
        auto = options.backend == AUTO
        outcome = search(engine, pool, bounds, limits, end, auto=auto)
    solution = replace(_conclude(outcome, pool), build_seconds=build_seconds)
    found = restore(solution, ocp, own, scaling, limits, Known.of(own))
    return replace(found, seconds=time.perf_counter() - started)


def _best_of(own: OCP, every: np.ndarray, end: float | None) -> Solution | None:
    """The best of all plans there are, which proves itself; None without the time for all."""
    best = enumeration.best(own, every, end)
    if best is None:
        return None
    (actions, cost), whose, count = best, enumeration.BY_ALL_PLANS, len(every)
    if actions is None:
        message = f"none of all {count} plans keeps the constraints"
        return Solution(Status.INFEASIBLE, certificate=whose, nodes=count, message=message)
    return Solution(
        Status.OPTIMAL, actions, own.rollout(actions), cost, cost, bound=cost, certificate=whose,
        nodes=count, plans=(actions,), message=f"the best of all {count} plans",
    )  # fmt: skip


def _first(
    own: OCP,
    scaling: Scaling,
    propose: Propose,
    options: Options,
    started: float,
    deadline: float | None,
) -> list[np.ndarray] | None:
    """Candidates that are found before there is a model; None where there are none of that kind."""
    if options.explore == 0 or not discrete(own.problem):
        return None
    end = None
    if deadline is not None:
        left = deadline - started
        short = _SHORT * min(left, _BRIEF) if regions.some(own.problem) else 0.0
        end = started + max(_DISCRETE * left, short)
    return levels(own, lambda e: [scaling.actions(a) for a in propose(e)], end)


def _fill(
    pool: Pool, propose: Propose, options: Options, deadline: float | None, later: bool
) -> None:
    """Candidates into the pool, widened by a search around them; the best of them polished."""
    end = None
    if deadline is not None:
        share = options.share if later else 1.0
        end = min(pool.started + share * (deadline - pool.started), deadline - WRAP_UP)
    wide = options.explore > 0 and pool.model.binaries > FEW_BINARIES
    plans = list[np.ndarray]()
    if wide and regions.many(pool):
        plans = regions.around(pool, _part(deadline, options.share))
        wide = not regions.along(pool, plans, deadline)
        end = None if end is None else max(end, _part(deadline, 0.5) or end)
    plans += propose(_part(end, 0.5) if wide else end)
    _polish_best(pool, plans, _BEFORE_SEARCH if wide else options.polish, end)
    if wide and (end is None or time.perf_counter() < end):
        known = [*plans, *(() if pool.actions is None else (pool.actions,))]
        # Without a search to come, polish until the end.
        count = options.explore if later else 3 * options.explore
        found = explore(
            pool.ocp.program, pool.ocp.problem, known, count=count, deadline=_part(end, 0.5)
        )
        late = end is not None and time.perf_counter() > end
        _polish_best(pool, found[:1] if late else found, count, end)


def levels(own: OCP, propose: Propose, end: float | None) -> list[np.ndarray]:
    """Plans of inputs from finite sets: proposed ones, those of dynamic programming, and the best
    of all changed value by value.

    Args:
        own: what is planned, some inputs of which take values of finite sets.
        propose: see `plan`.
        end: `time.perf_counter()` value to stop at, or None.

    Returns:
        Admissible plans, each of shape (H, nu).
    """
    known = [own.problem.admit(np.asarray(a)) for a in propose(_part(end, 0.15))]
    until = None
    if end is not None:
        now = time.perf_counter()
        left = max(end - now, 0.0)
        until = now + max(_PROGRAMMED * left, min(_MOST_PROGRAMMED * left, _LEAST_PROGRAMMED))
    known += lattice.plans(own, deadline=until)
    if not known:
        return []
    unique = np.unique(np.stack(known), axis=0)
    plans = list(unique[np.argsort(own.costs(unique))])
    changed = []
    for actions in plans[:_CHANGED]:
        if end is not None and time.perf_counter() > end:
            break
        changed.append(changes.improve(own, actions, deadline=end)[0])
    return [*changed, *plans]


def discrete(problem: Problem) -> bool:
    """Whether some inputs take values of finite sets only."""
    return problem.inputs is not None and bool(problem.inputs.discrete.any())


def candidates(
    program: ReluProgram, problem: Problem, propose: Propose, deadline: float | None
) -> list[np.ndarray]:
    """What `plan` searches from where inputs take values of finite sets; needs no model.

    Args:
        program, problem, propose, deadline: see `plan`.
    """
    own, scaling = scaled(OCP(program, problem))
    found = levels(own, lambda end: [scaling.actions(a) for a in propose(end)], deadline)
    return [scaling.original_actions(a) for a in found]


def _part(end: float | None, share: float) -> float | None:
    """A share of the time that is left."""
    if end is None:
        return None
    now = time.perf_counter()
    return now + share * max(end - now, 0.0)


def _polish_best(pool: Pool, plans: Sequence[np.ndarray], count: int, end: float | None) -> None:
    """Offer plans; polish the best of them."""
    scored = sorted(((pool.offer(a), i, a) for i, a in enumerate(plans)), key=lambda p: p[:2])
    for _, _, actions in scored[:count]:
        if end is not None and time.perf_counter() > end:
            break
        pool.polish(actions, passes=_PASSES, deadline=end)


def _conclude(outcome: Outcome, pool: Pool) -> Solution:
    """The best plan of all, with the best bound that was proved."""
    bound, certificate = outcome.bound, outcome.certificate
    floor = pool.model.box_bound()
    if floor > bound:
        bound, certificate = floor, BY_BOUNDS
    status = Status.INFEASIBLE if bound == np.inf else Status.NO_SOLUTION
    states = None
    if pool.actions is not None:
        states = pool.ocp.rollout(pool.actions)
        status = Status.FEASIBLE if np.isfinite(bound) else Status.INFEASIBLE
    return Solution(
        status, pool.actions, states, pool.cost, pool.cost,
        bound=bound if np.isfinite(bound) else None, certificate=certificate,
        nodes=outcome.nodes, binaries=pool.model.binaries,
        trace=tuple(sorted((*pool.trace, *outcome.trace))), message=outcome.message,
        plans=pool.different(),
    )  # fmt: skip
