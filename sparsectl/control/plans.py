"""Plans of given actions, with their states, cost and violations from the exact program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.task import Problem
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.program import Programs


def of_the_model(plan: Plan, program: Programs, problem: Problem) -> Plan:
    """The plan without its proof where that is about another program than the model's."""
    if plan.bound is None or program.exact_at(problem):
        return plan
    why = "objects may come near or part on the way, which the program of this graph does not show"
    info = {**plan.info, "unproved": f"no bound: {why}; plan one step at a time for a proof"}
    status = Status.HEURISTIC if plan.status.has_plan else plan.status
    return replace(plan, status=status, bound=None, certificate="", claim="", info=info)


def finish(
    program: Programs,
    problem: Problem,
    actions: np.ndarray,
    *,
    source: str,
    status: Status = Status.HEURISTIC,
    **facts: Any,
) -> Plan:
    """Plan of given actions, its cost and states from the exact program (float64).

    Actions become admissible ones. `facts` are further `Plan` fields. Where there are
    constraints, `info` says how they are violated; see `violation`.
    """
    actions = problem.admit(np.asarray(actions, np.float64))
    states = program.at(problem).rollout(problem.x0, actions)
    cost = float(problem.cost(states, actions))
    if not (np.isfinite(cost) and np.isfinite(states).all()):
        return no_plan(problem, Status.FAILED, "the model's rollout is not finite", source=source)
    if not problem.constraints.empty or problem.cost.priced is not None:
        facts["info"] = {**facts.get("info", {}), **violation(problem, states)}
    return Plan(actions, states, status, cost, source=source, **facts)


def violation(problem: Problem, states: np.ndarray) -> dict[str, Any]:
    """How planned states violate the constraints, as entries of `Plan.info`.

    Args:
        states: Shape (H + 1, nx).

    Returns:
        `violation`, summed over steps and hard constraints, and where it is more than solvers
        tolerate `violated`: the `constraint` that is violated most, at which `step` (from 1 on),
        and `by` how much, in its own units. Where constraints are drawn in, `margins_only` is
        whether the task's own ones all hold. `priced_violation`, where some constraints have a
        price: summed over steps and those, where it is more than solvers tolerate.
    """
    constraints = problem.constraints
    found: dict[str, Any] = {"violation": float(constraints.violation(states, weighted=False))}
    priced = problem.cost.priced
    if priced is not None:
        paid = np.where(priced.violated(states), priced.excess(states), 0.0)
        found["priced_violation"] = float(paid.sum())
    worst = violated(problem, states)
    if worst is not None:
        found["violated"] = worst
        if problem.own is not None:
            worst["margins_only"] = not problem.own.violated(states).any()
    return found


def violated(problem: Problem, states: np.ndarray) -> dict[str, Any] | None:
    """The hard constraint that states violate most, at which step and by how much; None: none is.

    Args:
        states: Shape (H + 1, nx).

    Returns:
        `constraint`, its name; `step`, from 1 on; `by`, in the constraint's own units.
    """
    constraints = problem.constraints
    excess = np.where(constraints.violated(states), constraints.excess(states), 0.0)
    if not excess.any():
        return None
    step, worst = np.unravel_index(np.argmax(excess), excess.shape)
    by = float(excess[step, worst])
    return {"constraint": constraints.names[worst], "step": int(step) + 1, "by": by}


def no_plan(problem: Problem, status: Status, message: str, *, source: str) -> Plan:
    """The value returned when there is nothing to execute; `info['message']` says why."""
    return Plan(
        actions=np.zeros((0, problem.nu)),
        states=problem.x0[None],
        status=status,
        cost=float("inf"),
        source=source,
        info={"message": message},
    )
