"""Anytime exact planning: an incumbent at once, then a bound, then the gap closes.

1. bounds and model; 2. candidates, each polished by pattern LPs; 3. branch and bound from the
best of them until the deadline; 4. the answer re-rolled in the exact program and polished once
more. The plan is never worse than a candidate, by construction; the bound is the extra product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.mip.encode import start_box
from sparsectl.mip.explore import explore
from sparsectl.mip.hull import HullSearch, TooManyModes, unsupported
from sparsectl.mip.model import MIPModel
from sparsectl.mip.pool import Pool
from sparsectl.mip.solution import Limits, Solution
from sparsectl.mip.solve import Backend, BoundMethod, bound_neurons, check_finite, prepare, run
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.types import Status

Propose = Callable[[float | None], Sequence[np.ndarray]]
"""deadline -> action sequences, each of shape (H, nu)."""

_WRAP_UP = 0.012
"""Kept free at the end for the last re-roll and polish [s]."""
_FEW_BINARIES, _FEW_RELUS = 20, 10
"""Up to this size SCIP is faster: so few modes are so coarse that their hulls are loose."""
_PASSES, _BEFORE_SEARCH = 6, 2
"""Pattern programs for a candidate, at most; candidates polished before the wide search."""
_CANDIDATES = 0.6
"""Without a search in the rest of the time, candidates get all of it."""
_LIST_SECONDS = 5e-4
"""Time that listing the modes and a first bound take per neuron and step [s], about."""
_ROOT_SECONDS = 2.5e-5
"""Time that a solver needs per non-zero before it has a bound at all [s], about."""


Engine = Literal["auto", "hull", "scip", "highs"]
"""`auto`: the hull of modes where the network allows it and has more than a few, else SCIP."""


@dataclass(frozen=True)
class Options:
    """Settings of `plan`."""

    backend: Engine = "auto"
    bounds: BoundMethod = "crown"
    gap: float = 1e-4
    nodes: int | None = None
    share: float = 0.25
    """Share of the time that candidates may take."""
    polish: int = 4
    """How many candidates are polished; 0: none."""
    explore: int = 6
    """How many plans of a wide search around the candidates are polished too; 0: no search."""
    soft_penalty: float | None = None


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
    _fill(pool, propose, options, deadline, _worth_a_search(engine, program, model, early))
    end = None if deadline is None else deadline - _WRAP_UP
    solution = None
    if _worth_a_search(engine, program, model, deadline):
        if engine == "hull":
            solution = _search_hull(pool, bounds, options, end)
        if solution is None:
            solution = _search_solver(pool, options, end)
    return _conclude(solution, pool, options, build_seconds, deadline)


def choose(
    program: ReluProgram, problem: Problem, model: MIPModel, options: Options
) -> Literal["hull", "scip", "highs"]:
    """The engine that a problem goes to.

    Raises:
        ConfigError: the hull is asked for and cannot plan here.
    """
    if options.backend in ("scip", "highs"):
        return options.backend
    reason = unsupported(program, problem)
    if options.soft_penalty is not None:
        reason = "constraints are soft"
    if options.backend == "hull":
        if reason is not None:
            raise ConfigError(f"backend 'hull' cannot plan here: {reason}; use auto or scip")
        return "hull"
    small = model.binaries <= _FEW_BINARIES or program.m <= _FEW_RELUS
    return "scip" if small or reason is not None else "hull"


def _search_hull(
    pool: Pool, bounds: HorizonBounds, options: Options, end: float | None
) -> Solution | None:
    """Search by hulls of modes; None when the network has too many of them for the time."""
    known = [] if pool.actions is None else [pool.actions]
    limits = Limits(nodes=options.nodes, gap=options.gap)
    listing = None
    if end is not None:
        now = time.perf_counter()
        listing = now + 0.7 * (end - now)
    try:
        search = HullSearch(
            pool.program, pool.problem, bounds, start_box(pool.problem),
            points=known, deadline=listing,
        )  # fmt: skip
    except TooManyModes:
        return None
    search.run(pool.polish, pool.cost, limits, pool.started, end)
    if pool.actions is None and search.closed:
        return None
    bound = search.bound if np.isfinite(search.bound) else None
    message = f"hull of {max(search.modes)} modes a step, {search.programs} linear programs"
    return Solution(
        Status.NO_SOLUTION, bound=bound, nodes=search.nodes, trace=tuple(search.trace),
        message=message,
    )  # fmt: skip


def _search_solver(pool: Pool, options: Options, end: float | None) -> Solution:
    """Branch and bound in a solver, from the incumbent."""
    left = None if end is None else max(end - time.perf_counter(), 0.0)
    limits = Limits(left, options.nodes, options.gap)
    starts = [] if pool.actions is None else [pool.actions]
    backend: Backend = "highs" if options.backend == "highs" else "scip"
    spent = time.perf_counter() - pool.started
    solution = run(
        pool.program, pool.problem, pool.model, limits, starts, backend, options.soft_penalty
    )
    return replace(solution, trace=tuple((s + spent, p, b) for s, p, b in solution.trace))


def _worth_a_search(
    engine: Literal["hull", "scip", "highs"],
    program: ReluProgram,
    model: MIPModel,
    deadline: float | None,
) -> bool:
    """Whether an engine could say anything before the deadline."""
    if deadline is None:
        return True
    left = deadline - _WRAP_UP - time.perf_counter()
    if engine == "hull":
        return left > _LIST_SECONDS * program.m * len(model.u)
    return left > _ROOT_SECONDS * model.A.nnz


def _fill(
    pool: Pool, propose: Propose, options: Options, deadline: float | None, search: bool
) -> None:
    """Candidates into the pool, widened by a search around them; the best of them polished."""
    end = None
    if deadline is not None:
        share = options.share if search else 1.0
        end = min(pool.started + share * (deadline - pool.started), deadline - _WRAP_UP)
    wide = options.explore > 0 and pool.model.binaries > _FEW_BINARIES
    plans = list(propose(_half_way(end) if wide else end))
    _polish_best(pool, plans, _BEFORE_SEARCH if wide else options.polish, end)
    if wide and (end is None or time.perf_counter() < end):
        known = [*plans, *(() if pool.actions is None else (pool.actions,))]
        # Without a search to come, polish until the end.
        count = options.explore if search else 3 * options.explore
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
