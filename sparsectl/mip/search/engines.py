"""The engines behind the anytime planner, which one a problem goes to, and how each is called."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.mip.encode import start_box
from sparsectl.mip.model import MIPModel
from sparsectl.mip.search import boxes, hull
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.solution import Limits, Solution
from sparsectl.mip.solve import Backend, BoundMethod, run
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.types import Status

WRAP_UP = 0.012
"""Kept free at the end for the last re-roll and polish [s]."""
FEW_BINARIES = 20
"""Up to this size SCIP is through before other engines have begun."""
_FEW_RELUS = 10
"""Up to this size the modes of a step are so few and coarse that their hulls are loose."""
_HULL_SIZE = 24
"""Directions that the neurons see times entries of the state, up to which the hull's linear
programs are quicker than SCIP's search (scripts/mip/bench.py, proofs.py)."""
_LIST_SECONDS = 5e-4
"""Time that listing the modes and a first bound take per neuron and step [s], about."""
_ROOT_SECONDS = 2.5e-5
"""Time that a solver needs per non-zero before it has a bound at all [s], about."""
_BOX_SECONDS = 0.03
"""The search over boxes has a first bound after this [s], about."""
_BOX_BINARIES = {4: FEW_BINARIES, 6: 48, 8: 70, 10: 90}
"""Actions over the horizon, at most: binaries from which on boxes beat SCIP (scripts/mip/bench.py).
"""
_BOX_STATES = 12
"""With more entries of the state SCIP's linear programs are slow: on Rope (26) at three steps of
two actions, .2 s leave SCIP gaps of 28 to 47 % and boxes .1 to .2 % from three starts (`sparsectl
plan --config demo --only mip --episode 3 --seconds 0.2 --controllers.mip.backend scip`)."""
_BOX_KEEP_OUT = 6
"""The same with keep-out regions, whose binaries SCIP branches on (three steps of two actions)."""

Engine = Literal["auto", "hull", "boxes", "scip", "highs"]
"""`auto`: the hull of modes where the network allows it, the action box where the network is wide
and the horizon short, else SCIP."""
Chosen = Literal["hull", "boxes", "scip", "highs"]


@dataclass(frozen=True)
class Options:
    """Settings of `anytime.plan`."""

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


def choose(program: ReluProgram, problem: Problem, model: MIPModel, options: Options) -> Chosen:
    """The engine that a problem goes to.

    Raises:
        ConfigError: an engine is asked for that cannot plan here.
    """
    if options.backend in ("scip", "highs"):
        return options.backend
    reasons = {"hull": hull.unsupported(program, problem)}
    reasons["boxes"] = boxes.unsupported(program, problem)
    if options.soft_penalty is not None:
        reasons = dict.fromkeys(reasons, "constraints are soft")
    if options.backend != "auto":
        reason = reasons[options.backend]
        if reason is not None:
            raise ConfigError(
                f"backend '{options.backend}' cannot plan here: {reason}; use auto or scip"
            )
        return options.backend
    if model.binaries <= FEW_BINARIES:
        return "scip"
    small = hull.directions(program) * problem.nx <= _HULL_SIZE
    if reasons["hull"] is None and program.m > _FEW_RELUS and small:
        return "hull"
    return "boxes" if reasons["boxes"] is None and _suits_boxes(problem, model) else "scip"


def _suits_boxes(problem: Problem, model: MIPModel) -> bool:
    """Few actions over the horizon and many binaries; with keep-out regions, very few."""
    actions = problem.horizon * problem.nu
    if problem.constraints.keep_out and actions > _BOX_KEEP_OUT:
        return False
    least = next((n for limit, n in _BOX_BINARIES.items() if actions <= limit), None)
    if problem.nx > _BOX_STATES and actions <= 6:
        least = FEW_BINARIES
    return least is not None and model.binaries > least


def worth_a_search(
    engine: Chosen, program: ReluProgram, model: MIPModel, deadline: float | None
) -> bool:
    """Whether an engine could say anything before the deadline."""
    if deadline is None:
        return True
    left = deadline - WRAP_UP - time.perf_counter()
    if engine == "boxes":
        return left > _BOX_SECONDS
    if engine == "hull":
        return left > _LIST_SECONDS * program.m * len(model.u)
    return left > _ROOT_SECONDS * model.A.nnz


def search(
    engine: Chosen, pool: Pool, bounds: HorizonBounds, options: Options, end: float | None
) -> Solution:
    """Search with an engine; with the next best one where the network has too many modes."""
    solution = None
    if engine == "hull":
        solution = _search_hull(pool, bounds, options, end)
        if (
            solution is None
            and options.backend == "auto"
            and _suits_boxes(pool.problem, pool.model)
        ):
            engine = "boxes"
    if engine == "boxes":
        solution = _search_boxes(pool, bounds, options, end)
    return _search_solver(pool, options, end) if solution is None else solution


def _search_boxes(
    pool: Pool, bounds: HorizonBounds, options: Options, end: float | None
) -> Solution:
    """Search over the action box."""
    engine = boxes.BoxSearch(pool.program, pool.problem, bounds)
    limits = Limits(nodes=options.nodes, gap=options.gap)
    engine.run(pool.polish, pool.cost, limits, pool.started, end)
    bound = engine.bound if np.isfinite(engine.bound) else None
    message = f"{engine.nodes} action boxes" + (f", {engine.message}" if engine.message else "")
    proved = pool.actions is None and engine.bound == np.inf
    return Solution(
        Status.INFEASIBLE if proved else Status.NO_SOLUTION, bound=bound, nodes=engine.nodes,
        trace=tuple(engine.trace), message=message,
    )  # fmt: skip


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
        engine = hull.HullSearch(
            pool.program, pool.problem, bounds, start_box(pool.problem),
            points=known, deadline=listing,
        )  # fmt: skip
    except hull.TooManyModes:
        return None
    engine.run(pool.polish, pool.cost, limits, pool.started, end)
    if pool.actions is None and engine.closed:
        return None
    bound = engine.bound if np.isfinite(engine.bound) else None
    message = f"hull of {max(engine.modes)} modes a step, {engine.programs} linear programs"
    return Solution(
        Status.NO_SOLUTION, bound=bound, nodes=engine.nodes, trace=tuple(engine.trace),
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
