"""The engines behind the anytime planner, which one a problem goes to, and who goes on after it."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sparsectl.checks import within
from sparsectl.errors import ConfigError
from sparsectl.mip.model import MIPModel
from sparsectl.mip.names import AUTO, OWN, BoundMethod, check_engine
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.contract import Engine, Outcome
from sparsectl.mip.search.hull.search import directions
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.search.solver import SolverSearch
from sparsectl.mip.solution import Limits
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem


def engine(name: str) -> Engine:
    """The engine of that name, one of `names.OWN` or `backends.BACKENDS`."""
    if name in OWN:
        return importlib.import_module(OWN[name]).ENGINE
    return SolverSearch(name)


def refusal(name: str, problem: Problem) -> str | None:
    """Why a backend cannot plan such problems, whatever the program is, or None."""
    if name not in OWN:
        return None
    why: str | None = importlib.import_module(OWN[name]).refusal(problem)
    return why


WRAP_UP = 0.012
"""Kept free at the end for the last re-roll and polish [s]."""
FEW_BINARIES = 20
"""Up to this size SCIP is through before other engines have begun."""
_FEW_RELUS = 10
"""Up to this size the modes of a step are so few and coarse that their hulls are loose."""
_HULL_SIZE = 24
"""Directions that the neurons see times entries of the state, up to which the hull's linear
programs are quicker than SCIP's search (scripts/mip/bench.py, proofs.py)."""
_SMALL_HULL = 8
"""Up to this size the hull is quicker than boxes with one action a step too."""
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
"""With more entries of the state SCIP's linear programs are slow: on Rope (26) at five steps of two
actions with 56 to 73 binaries, .5 s leave SCIP gaps of 6 to 23 % and boxes .9 to 8.4 % (`rope:8,8`
and `rope:4,12` of scripts/mip/bench.py, three seeds each; at 5 s SCIP is ahead). So are its
relaxations of squared costs (`l2sq` in scripts/mip/choice.py)."""
_TURN = 0.5
"""Share of the time that an engine of ours has for a first plan."""
_TRIAL, _PATIENCE = 1000, 10.0
"""Nodes of a turn in the race of boxes against others. Boxes that are first stay unless their gap
hardly closes; then a solver has so many nodes, and at most so many times the seconds of the boxes,
and who has the better bound goes on: behind a layer of two neurons (`free 12-2-8x4` of
scripts/mip/choice.py) boxes are open where SCIP takes .6 s."""
_LIMITED, _TOUCH = 0.2, 1e-9
"""Where more than this share of states may leave their limits, a solver has that turn in any case:
networks of 16 to 24 ReLUs with such limits take SCIP .1 to 2 s, and boxes a tenth of that to 20
times as long; at 48 and 64 (`table 48x3`) boxes close in 10 s what SCIP does not in 60."""
_BOX_KEEP_OUT = 6
"""The same with keep-out regions, whose binaries SCIP branches on (three steps of two actions)."""


@dataclass(frozen=True)
class Options:
    """Settings of `anytime.plan`."""

    backend: str = AUTO
    """`auto`, `hull`, `boxes`, or a solver's name."""
    bounds: BoundMethod = "crown"
    gap: float = 1e-4
    """Relative gap at which a plan counts as optimal."""
    nodes: int | None = None
    share: float = 0.25
    """Share of the time that candidates may take."""
    polish: int = 4
    """How many candidates are polished; 0: none."""
    explore: int = 6
    """How many plans of a wide search around the candidates are polished too; 0: no search."""
    soft_penalty: float | None = None
    tolerance: float | None = None
    """`gap` in the cost's own unit; a search stops at whichever it meets first. None: none."""

    def __post_init__(self) -> None:
        check_engine(self.backend)
        within(self, "mip", "[0, inf)", "gap", "tolerance")


def choose(ocp: OCP, model: MIPModel, options: Options) -> str:
    """Name of the engine that a problem goes to.

    Raises:
        ConfigError: an engine is asked for that cannot plan here with hard constraints. Soft
            ones, which a solver can price, go to a solver instead.
    """
    name = options.backend
    if name != AUTO:
        reason = engine(name).unsupported(ocp)
        if reason is None:
            return name
        if not ocp.soft:
            raise ConfigError(f"backend '{name}' cannot plan here: {reason}; use auto or scip")
    if model.binaries <= FEW_BINARIES or ocp.soft:
        return "scip"
    program = ocp.program
    small = directions(program) * ocp.problem.nx <= _HULL_SIZE
    if engine("hull").unsupported(ocp) is None and program.m > _FEW_RELUS and small:
        return "hull"
    return "boxes" if _suits_boxes(ocp, model) else "scip"


def _suits_boxes(ocp: OCP, model: MIPModel) -> bool:
    """Few actions over the horizon and many binaries; with keep-out regions, very few."""
    problem = ocp.problem
    if engine("boxes").unsupported(ocp) is not None:
        return False
    actions = problem.horizon * problem.nu
    if problem.constraints.keep_out and actions > _BOX_KEEP_OUT:
        return False
    least = next((n for limit, n in _BOX_BINARIES.items() if actions <= limit), None)
    if least and (problem.nx > _BOX_STATES or model.q.any()):
        least = FEW_BINARIES
    return least is not None and model.binaries > least


def worth_a_search(
    name: str, program: ReluProgram, model: MIPModel, deadline: float | None
) -> bool:
    """Whether an engine could say anything before the deadline."""
    if deadline is None:
        return True
    left = deadline - WRAP_UP - time.perf_counter()
    if name == "boxes":
        return left > _BOX_SECONDS
    if name == "hull":
        return left > _LIST_SECONDS * program.m * len(model.u)
    return left > _ROOT_SECONDS * model.A.nnz


def search(
    first: str,
    pool: Pool,
    bounds: HorizonBounds,
    limits: Limits,
    end: float | None,
    *,
    auto: bool = False,
) -> Outcome:
    """Search with an engine, and with others while there is no plan, no proof, and time.

    Args:
        pool, bounds, limits, end: see `Engine.search`.
        auto: nobody asked for that engine: without a plan a solver is first, because ours seldom
            find one and take long to prove that there is none; and boxes are on trial, and have a
            short turn before the hull of modes where there is one action a step.
    """
    outcome, messages = Outcome(), list[str]()
    turns, proved, taken = _turns(first, pool, end, auto=auto), dict[str, float](), 0.0
    while turns:
        name, turn = turns.pop(0)
        again = bool(messages) and pool.actions is not None
        if again and not worth_a_search(name, pool.ocp.program, pool.model, end):
            continue  # building its model alone would take the time that is left, and more
        began = time.perf_counter()
        left = limits.nodes and limits.nodes - outcome.nodes
        own, until = replace(limits, nodes=left), _turn(name, pool, end)
        if turn == "short":
            own = replace(own, nodes=min(left or _TRIAL, _TRIAL))
            if until is not None and taken:  # without a deadline nothing depends on the clock
                until = min(until, began + _PATIENCE * taken)
        elif turn == "trial":
            own = replace(own, trial=_TRIAL)
        found = engine(name).search(pool, bounds, own, until)
        taken, proved[name] = time.perf_counter() - began, found.bound
        if turn == "short" and name not in OWN:  # all have had a turn: the best goes on
            turns.sort(key=lambda t: -proved.get(t[0], -np.inf))
        messages.append(found.message)
        better = found if found.bound >= outcome.bound else outcome
        outcome = replace(
            better, nodes=outcome.nodes + found.nodes, trace=outcome.trace + found.trace,
            message="; then ".join(messages),
        )  # fmt: skip
        full = limits.nodes is not None and outcome.nodes >= limits.nodes
        late = end is not None and time.perf_counter() > end
        done = np.isfinite(pool.cost) and np.isfinite(found.bound)
        if turn:
            done = limits.closed(pool.cost, outcome.bound)
        if done or outcome.bound == np.inf or late or full:
            break
    return outcome


def _turns(
    first: str, pool: Pool, end: float | None, *, auto: bool
) -> list[tuple[str, Literal["", "short", "trial"]]]:
    """Engines in order; how long each goes on: to the end, for `_TRIAL` nodes, or for as many
    unless its gap closes quickly. See `search`."""
    suits = _suits_boxes(pool.ocp, pool.model)
    names = [first, *(["boxes"] if first == "hull" and suits else []), "scip"]
    if auto and first in OWN and pool.actions is None:
        names = ["scip", *names]
    turns: list[tuple[str, Literal["", "short", "trial"]]] = [(n, "") for n in dict.fromkeys(names)]
    if not auto or names[0] != first:
        return turns
    if first == "boxes":
        limited = _limited(pool) > _LIMITED
        return [("boxes", "short" if limited else "trial"), ("scip", "short"), *turns]
    program, problem = pool.ocp.program, pool.ocp.problem
    long = problem.nu == 1 and directions(program) * problem.nx > _SMALL_HULL
    contest = first == "hull" and suits and long and _limited(pool) <= _LIMITED
    return [("boxes", "short"), *turns] if contest else turns


def _limited(pool: Pool) -> float:
    """Share of state entries over the horizon whose bounds touch a limit on that entry."""
    problem, x = pool.ocp.problem, pool.model.x
    low, high = (limit[-len(x) :] for limit in problem.constraints.state_box(problem.nx, len(x)))
    touched = (pool.model.low[x] <= low + _TOUCH) | (pool.model.high[x] >= high - _TOUCH)
    return float(touched.mean())


def _turn(name: str, pool: Pool, end: float | None) -> float | None:
    """When an engine's turn ends: ours find a first plan late, if at all, and solvers soon."""
    if end is None or name not in OWN or pool.actions is not None:
        return end
    now = time.perf_counter()
    return now + _TURN * max(end - now, 0.0)
