"""What is claimed of a plan, held against other plans, and told in the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.ocp import FEASIBLE, OCP
from sparsectl.mip.scale import Scaling, random_plans
from sparsectl.mip.solution import Limits, Solution
from sparsectl.types import Status

CONTRADICTION = 1e-6
"""A bound above a plan's cost by more than this, relative to 1 + |cost|, is wrong."""

STRICT = 1e-9
"""Largest violation, in units of order one, of a plan that no true bound is above."""


@dataclass(frozen=True)
class Known:
    """A plan that no true bound is above.

    Attributes:
        actions: Shape (H, nu), or None where no feasible plan is known.
        cost: of it; inf without one.
    """

    actions: np.ndarray | None = None
    cost: float = np.inf

    @classmethod
    def of(cls, ocp: OCP, plans: Sequence[np.ndarray] = ()) -> Known:
        """The best of some plans and of random ones, which no search has seen."""
        tried = np.concatenate([random_plans(ocp.problem), *(np.asarray(p)[None] for p in plans)])
        tried = ocp.problem.admit(tried)
        costs = ocp.costs(tried)
        if not ocp.soft:
            # A plan that uses the tolerance of constraints refutes nothing.
            costs = np.where(ocp.problem.constraints.worst(ocp.rollout(tried)) > 0, np.inf, costs)
        best = int(np.argmin(costs))
        return cls(tried[best], float(costs[best])) if np.isfinite(costs[best]) else cls()


def examined(
    solution: Solution,
    ocp: OCP,
    limits: Limits,
    known: Known,
    unit: float = 1.0,
    typical: float = 1.0,
) -> Solution:
    """The solution without a claim that a plan contradicts; that plan takes its place.

    Args:
        solution: an answer; its bound and its proof of infeasibility are somebody's word.
        limits: the gap at which a plan is called optimal.
        unit, typical: see `Limits.claim`.
    """
    bound = np.inf if solution.status == Status.INFEASIBLE else solution.bound
    refuted = bound is not None and bound > known.cost + CONTRADICTION * (1 + abs(known.cost))
    if known.actions is not None and known.cost < solution.cost and refuted:
        solution = replace(
            solution, actions=known.actions, states=ocp.rollout(known.actions), cost=known.cost,
            claimed_cost=known.cost,
        )  # fmt: skip
    if solution.actions is None:
        return solution
    whose, cost = solution.certificate or "a search", solution.cost
    above = bound is not None and bound > cost + CONTRADICTION * (1 + abs(cost))
    wrong = ""
    if solution.status == Status.INFEASIBLE:
        wrong = "that there is no plan, but there is one"
    elif above and _strict(solution, ocp):
        wrong = f"a bound of {bound:.9g} above a plan of {cost:.9g}"
    if wrong:
        message = f"{whose} claimed {wrong}: not believed; {solution.message}"
        solution = replace(solution, bound=None, certificate="", message=message)
    elif bound is not None and bound > cost:
        solution = replace(solution, bound=cost)
    claim = "" if solution.bound is None else limits.claim(cost, solution.bound, unit, typical)
    return replace(solution, status=Status.OPTIMAL if claim else Status.FEASIBLE, claim=claim)


def _strict(solution: Solution, ocp: OCP) -> bool:
    """Whether the plan keeps its constraints without their tolerance."""
    if ocp.soft or solution.states is None:
        return True
    return float(ocp.problem.constraints.worst(solution.states)) <= STRICT


def restore(
    solution: Solution, ocp: OCP, own: OCP, scaling: Scaling, limits: Limits, known: Known
) -> Solution:
    """A solution of the scaled problem, examined and in the user's units.

    Args:
        solution: of `own`.
        ocp, own, scaling: as the user stated it, scaled, and the scaling between them.
        limits: for `own`.
        known: see `examined`.
    """
    unit, typical, problem = scaling.cost_unit, scaling.typical, ocp.problem
    solution = examined(solution, own, limits, known, unit, typical)
    if solution.actions is not None and solution.states is not None:
        actions = problem.admit(scaling.original_actions(solution.actions))
        states = ocp.rollout(actions)
        violation = float(problem.constraints.violation(states))
        cost = float(problem.cost(states, actions))
        if ocp.penalty is not None and own.problem.constraints.worst(solution.states) > FEASIBLE:
            cost += ocp.penalty * violation
        found = replace(
            solution, actions=actions, states=states, cost=cost / unit, violation=violation
        )
        # What rounding made of the plan has to keep the claim, too.
        solution = examined(found, ocp, limits, Known(), unit, typical)
    return replace(
        solution,
        cost=solution.cost * unit,
        claimed_cost=solution.claimed_cost * unit,
        bound=None if solution.bound is None else solution.bound * unit,
        trace=tuple((s, p * unit, b * unit) for s, p, b in solution.trace),
        plans=tuple(scaling.original_actions(a) for a in solution.plans),
    )
