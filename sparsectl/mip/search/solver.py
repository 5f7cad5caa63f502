"""A general solver as a search engine: the big-M model, from the complete start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.mip import backends, steps
from sparsectl.mip.claims import CONTRADICTION
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.contract import WEAK_DUALITY, Outcome
from sparsectl.mip.solution import Limits, RawSolution, Solution
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem
from sparsectl.types import Status

if TYPE_CHECKING:
    from sparsectl.mip.search.pool import Pool

_FEW_BINARIES, _FEW_VARIABLES = 20, 400
"""Up to this size a claim is proved again."""
_SOLVES, _SHARE, _LEAST_SECONDS = 200, 0.5, 0.02
"""Linear programs of such a proof, at most; where time is limited, also this share of what the
solver took, or so many seconds."""
FAITHFUL = 1e-6
"""Largest difference, relative to 1 + |cost|, between claimed and exact cost that goes unsaid."""
_STRONG = 200
"""Binaries up to which SCIP tries them all before it branches, among regions. Of 14 decisions of
PushGate in closed loop (162 binaries) 12 take less than .35 s with that and a short presolve, 4
without; with 352 binaries a node takes .1 s. Without, some `priced 8x4` of scripts/mip/choice.py
are open after 4 s that take 1 to 2."""


@dataclass(frozen=True)
class SolverSearch:
    """Searches with the backend of that name, one of `backends.BACKENDS`."""

    name: str

    def unsupported(self, ocp: OCP) -> str | None:
        """Solvers take everything that can be encoded."""
        return None

    def search(
        self, pool: Pool, bounds: HorizonBounds, limits: Limits, deadline: float | None
    ) -> Outcome:
        """See `Engine.search`. What the solver claims is its word, `certificate` says whose."""
        began, left = time.perf_counter(), None
        if deadline is not None:
            left = max(deadline - began, 0.0)
        starts = [] if pool.actions is None else [pool.actions]
        options = _among_regions(pool.ocp.problem, pool.model) if self.name == "scip" else None
        found = run(pool.ocp, pool.model, replace(limits, seconds=left), starts, self.name, options)
        if found.actions is not None and not pool.cost <= found.cost:
            pool.offer(found.actions)
            if found.status != Status.OPTIMAL:
                pool.polish(found.actions, passes=2)
        spent = began - pool.started
        trace = tuple((s + spent, p, b) for s, p, b in found.trace)
        bound = -np.inf if found.bound is None else found.bound
        if found.status == Status.INFEASIBLE:
            bound = np.inf
        return Outcome(bound, found.certificate, found.nodes, trace, found.message)


def _among_regions(problem: Problem, model: MIPModel) -> object | None:
    """Options of SCIP where regions have a price or faces are most of the binaries; or None."""
    priced, most = problem.cost.priced, model.binaries > 2 * len(model.neurons)
    at_a_price, settings = priced is not None and bool(priced.keep_out), dict[str, Any]()
    few = model.binaries <= _STRONG
    if few and (most or at_a_price) and not model.q.any():
        settings["branching/fullstrong/priority"] = 100_000
    if most and few:
        settings["emphasis/presolving"] = "fast"
    if not settings:
        return None
    from sparsectl.mip.backends.scip import SCIPOptions

    return SCIPOptions(settings=settings)


def run(
    ocp: OCP,
    model: MIPModel,
    limits: Limits,
    starts: Sequence[np.ndarray] = (),
    backend: str = "scip",
    options: object | None = None,
) -> Solution:
    """Solve a prepared model from starting plans and check the answer.

    Where there are step neurons, `model` is the closure of what the program does, and a plan that
    sits on a threshold is replaced by the best one that the program reproduces (see `steps`).

    Raises:
        ConfigError: unknown backend, or options of another one.
        MissingExtra: the backend's package is not installed.
    """
    solver, started = backends.load(backend), time.perf_counter()
    values = [model.assign(ocp.rollout(a), np.asarray(a, float)) for a in starts]

    def call(model: MIPModel, limits: Limits) -> RawSolution:
        return solver(model, limits, values, options, ocp)

    def check(raw: RawSolution) -> Solution:
        return conclude(ocp, model, raw, limits)

    if model.strict is None:
        found = check(call(model, limits))
    else:
        found = steps.search(model, limits, values, call, check)
    return _proved_again(found, ocp, model, limits, started)


def _proved_again(
    found: Solution, ocp: OCP, model: MIPModel, limits: Limits, started: float
) -> Solution:
    """A small model's claim with a proof of our own, or what that shows in its place."""
    settled = found.status in (Status.OPTIMAL, Status.INFEASIBLE)
    if not settled or model.binaries > _FEW_BINARIES or model.n > _FEW_VARIABLES:
        return found
    now, until, claimed = time.perf_counter(), None, np.inf
    if limits.seconds is not None:
        until = min(now + max(_LEAST_SECONDS, _SHARE * (now - started)), started + limits.seconds)
    if found.bound is not None and found.actions is not None:
        claimed = found.bound
        if model.q.any():  # tangents take long to the last digit
            slack = CONTRADICTION * (1 + abs(found.cost))
            claimed = min(claimed, limits.cutoff(found.cost), found.cost - slack)
    from sparsectl.mip import recheck  # a missing HiGHS has been named by now

    proof = recheck.prove(model, claimed, _SOLVES, until)
    if proof.values is None:
        if found.actions is None:
            return replace(found, certificate=WEAK_DUALITY) if proof.bound == np.inf else found
        if not limits.closed(found.cost, proof.bound):
            return found  # not finished, or short of it by rounding
        return replace(found, bound=min(proof.bound, found.cost), certificate=WEAK_DUALITY)
    message, cost = found.message, model.objective(proof.values)
    if claimed - cost > CONTRADICTION * (1 + abs(cost)):
        what = f"a bound of {claimed:.9g} where {cost:.9g} is possible"
        what = what if np.isfinite(claimed) else "that there is no plan, but there is one"
        message = f"{found.certificate} claimed {what}: not believed; {message}"
    raw = RawSolution(proof.values, proof.bound, message=message, solver=WEAK_DUALITY)
    shown = conclude(ocp, model, raw, limits)
    if shown.cost >= found.cost:  # the exact rollout is another
        status = Status.NO_SOLUTION if found.actions is None else Status.FEASIBLE
        shown = replace(shown, status=status, actions=found.actions, states=found.states,
                        cost=found.cost, claimed_cost=found.claimed_cost)  # fmt: skip
    return replace(shown, nodes=found.nodes, trace=found.trace, seconds=found.seconds)


def conclude(ocp: OCP, model: MIPModel, raw: RawSolution, limits: Limits) -> Solution:
    """Re-roll the plan in the exact program and decide the status by what it shows."""
    problem = ocp.problem
    common: dict[str, Any] = {
        "certificate": raw.solver,
        "nodes": raw.nodes,
        "binaries": model.binaries,
        "seconds": raw.seconds,
        "trace": raw.trace,
    }
    bound = raw.bound if np.isfinite(raw.bound) else None
    if raw.values is None:
        status = Status.INFEASIBLE if raw.infeasible else Status.NO_SOLUTION
        return Solution(status, bound=bound, message=raw.message, **common)
    actions = problem.admit(raw.values[model.u])
    states = ocp.rollout(actions)
    cost = float(ocp.costs_of(states, actions))
    claimed = model.objective(raw.values[: model.n])
    if not np.isfinite(cost):
        violation = float(problem.constraints.worst(states))
        message = (
            f"the plan violates its constraints by {violation:.2e} when rolled out exactly; "
            f"rejected ({raw.message})"
        )
        return Solution(Status.NO_SOLUTION, bound=bound, message=message, **common)
    faithful = abs(cost - claimed) <= FAITHFUL * (1 + abs(cost))
    proved = bound is not None and limits.closed(cost, bound)
    message = raw.message
    if not faithful:
        message = f"claimed cost {claimed:.9g}, exact rollout {cost:.9g}; {raw.message}"
    return Solution(
        status=Status.OPTIMAL if proved else Status.FEASIBLE,
        actions=actions,
        states=states,
        cost=cost,
        claimed_cost=claimed,
        bound=bound,
        message=message,
        **common,
    )
