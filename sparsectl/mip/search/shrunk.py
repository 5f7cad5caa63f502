"""Regions at a price as hard ones, smaller by as much as a better plan can be deep in them.

Let C be the cost of a plan and L a bound on all plans' costs. A plan that is cheaper than C pays
less than C - L for its depths, so in a region of weight w it is never deeper than (C - L) / w. It
keeps that region, shrunk by so much, as a hard constraint, and its cost without the price of depths
bounds its cost from below. L has to bound costs without that price, of all plans or of those that
are cheaper than C, and does so in every round. Hard regions share the binaries of faces that they
have in common (see `objective`), and a better bound shrinks them less: a few rounds close the gap.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sparsectl.mip.ocp import FEASIBLE, OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.search.contract import Outcome
from sparsectl.mip.search.solver import run
from sparsectl.mip.solution import Limits, Solution
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem
from sparsectl.task.keep_out import KeepOut
from sparsectl.types import Status

if TYPE_CHECKING:
    from sparsectl.mip.search.pool import Pool

_ROUNDS = 8
_CLOSER = 0.2
"""A round is solved to this share of the gap that is open."""


@dataclass(frozen=True)
class ShrunkSearch:
    """Rounds of hard problems, each for the backend of that name."""

    solver: str = "scip"
    """Here 5 to 8 times faster than HiGHS on the hard problems of PushGate."""

    def unsupported(self, ocp: OCP) -> str | None:
        """Needs regions at a price that the present state is not inside of."""
        why, priced = refusal(ocp.problem), ocp.problem.cost.priced
        if why is not None or priced is None:
            return why
        if ocp.soft:
            return "hard constraints are paid for"
        x0, horizon = ocp.problem.x0, ocp.problem.horizon
        inside = [(r.sides(horizon)[0] - r.A @ r.P @ x0).min() > 0 for r in priced.keep_out]
        return "the present state is inside a region" if any(inside) else None

    def search(
        self, pool: Pool, bounds: HorizonBounds, limits: Limits, deadline: float | None
    ) -> Outcome:
        """See `Engine.search`."""
        priced = pool.ocp.problem.cost.priced
        assert priced is not None
        regions, trace, nodes = priced.keep_out, [], 0
        bound, message = -np.inf, ""
        # All regions as they are, for a plan; none, for a first bound; then shrunk ones.
        for k in range(_ROUNDS + 2):
            if k > 1 and (limits.closed(pool.cost, bound) or not np.isfinite(pool.cost - bound)):
                break
            if deadline is not None and time.perf_counter() > deadline:
                break
            if limits.nodes is not None and nodes >= limits.nodes:
                break
            hard, own, ceiling = regions, limits, pool.cost
            if k == 1:
                hard = ()
            elif k > 1:
                hard = shrunk(regions, pool.cost - bound)
                own = replace(
                    limits, gap=0.5 * limits.gap, absolute_gap=_CLOSER * (pool.cost - bound)
                )
            left = None if limits.nodes is None else limits.nodes - nodes
            found = self._solve(pool, hard, replace(own, nodes=left), deadline)
            nodes, message = nodes + found.nodes, found.message
            if found.actions is not None:
                pool.polish(found.actions, passes=2)
            if k > 0:
                lowest = np.inf if found.status == Status.INFEASIBLE else found.bound
                # Plans that are not cheaper than the one that was known are not in the round.
                lowest = min(-np.inf if lowest is None else lowest, ceiling if k > 1 else np.inf)
                bound = max(bound, lowest)
            trace.append((time.perf_counter() - pool.started, pool.cost, bound))
        return Outcome(bound, self._whose, nodes, tuple(trace), f"regions shrunk: {message}")

    @property
    def _whose(self) -> str:
        return {"scip": "SCIP", "highs": "HiGHS"}[self.solver]

    def _solve(
        self, pool: Pool, hard: Sequence[KeepOut], limits: Limits, deadline: float | None
    ) -> Solution:
        """The decision with these regions, and no price for depths."""
        own = kept(pool.ocp, hard)
        model = prepare(own)
        if isinstance(model, Solution):
            return model
        left = None if deadline is None else max(deadline - time.perf_counter(), 0.0)
        usable = pool.actions is not None and np.isfinite(own.costs(pool.actions))
        starts = [pool.actions] if usable and pool.actions is not None else []
        return run(own, model, replace(limits, seconds=left), starts, self.solver)


def refusal(problem: Problem) -> str | None:
    """Why such problems cannot be planned, whatever the state, or None."""
    priced = problem.cost.priced
    if priced is None or not priced.keep_out:
        return "there are no regions at a price"
    return None


def shrunk(regions: Sequence[KeepOut], paid: float) -> tuple[KeepOut, ...]:
    """Regions without what is deeper than a plan can be that pays so much for its depths."""
    most = paid * (1 + 1e-9)
    return tuple(replace(r, b=r.b - most / r.weight - FEASIBLE) for r in regions)


def kept(ocp: OCP, hard: Sequence[KeepOut]) -> OCP:
    """The decision with these regions as hard ones, and no price for depths."""
    problem = ocp.problem
    priced, known = problem.cost.priced, problem.constraints
    assert priced is not None
    rest = replace(priced, keep_out=()) if len(priced.G) else None
    constraints = replace(known, keep_out=(*known.keep_out, *hard))
    cost = replace(problem.cost, priced=rest)
    return OCP(ocp.program, replace(problem, cost=cost, constraints=constraints))


ENGINE = ShrunkSearch()
