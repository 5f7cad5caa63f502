"""Planned costs at the same states: every controller plans once, the reference last.

Each controller plans from the same state with the same memory (the plan that acted before, none
of its own). The reference then plans once more, starting also from all the other plans, as a
mixed-integer program can: its cost is then never above theirs, and its bound says how much any
plan could still gain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl import seeding
from sparsectl.control.base import Controller, ControllerState
from sparsectl.errors import SparsectlError
from sparsectl.evaluate.log import plain
from sparsectl.evaluate.player import Player
from sparsectl.evaluate.regret import Regret
from sparsectl.evaluate.unit import controller_of
from sparsectl.types import Plan, Status

GIVEN = "given all plans"
WITHOUT = "without margins"


@dataclass(frozen=True)
class PlannedUnit:
    """One state of one model.

    Attributes:
        reference: name of the controller that plans last.
        observation: Shape (observation_size,); None where an entry that nothing reads was not
            finite.
        previous: actions of the plan that acted before, shape (H, nu), or None.
    """

    players: tuple[Player, ...]
    keys: tuple[str, ...]
    reference: str
    key: str
    episode: int
    step: int
    observation: tuple[float | None, ...]
    previous: tuple[tuple[float, ...], ...] | None


def plan_all(unit: PlannedUnit) -> dict[str, Any]:
    """One row per controller of the reference's horizon, and one for the reference given all."""
    built = {
        p.controller: controller_of(p, k)[0] for p, k in zip(unit.players, unit.keys, strict=True)
    }
    reference = built[unit.reference]
    setting = unit.players[0].setting
    observation = np.asarray(unit.observation, dtype=np.float64)
    memory = _memory(unit, seeding.integer(setting.seed, "planned", unit.episode))
    rows, proposals = [], []
    for name, controller in built.items():
        if controller.horizon != reference.horizon:
            continue
        plan = controller.plan(observation, memory)
        rows.append(_row(name, plan, name == unit.reference))
        if plan.horizon == reference.horizon and plan.status.has_plan:
            proposals.append(plan.actions)
    alone = _without_margins(reference, observation, memory)
    if alone is not None:
        rows.append(_row(f"{unit.reference} ({WITHOUT})", alone, False))
    given = _given_all(reference, observation, memory, proposals)
    if given is not None:
        rows.append(_row(f"{unit.reference} ({GIVEN})", given, True))
    names = {"model": unit.players[0].model, "episode": unit.episode, "step": unit.step}
    return plain({**names, "key": unit.key, "rows": [{**names, **row} for row in rows]})


def summarise(
    rows: Sequence[Mapping[str, Any]], regret: Regret | None = None
) -> list[dict[str, Any]]:
    """Per model and controller: mean cost, and how far above the reference's best at each state.

    Columns: `model`, `controller`, `states`, `mean_cost`, `above_median`, `above_p95`,
    `above_max` (relative to the best cost, where that is not 0), `better_than_reference` (states
    in which it beat the reference's cost by more than 1e-6 relative), `infeasible`,
    `gap_median`, `regret_median` (as `regret` tells it), `proved`, `seconds_p50`.
    """
    best = best_costs(rows)
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for r in rows:
        groups.setdefault((r["model"], r["controller"]), []).append(r)
    return [_summary(name, group, best, regret or Regret()) for name, group in groups.items()]


def cost_of_margins(rows: Sequence[Mapping[str, Any]], model: str) -> list[float]:
    """How much more the reference's plans cost with margins than without, relative, by state.

    Of the states at which both kinds of plans keep the constraints that they are planned with.
    """
    costs: dict[tuple[str, tuple], float] = {}
    for r in rows:
        if r["model"] == model and r["cost"] is not None and r["feasible"]:
            costs[r["controller"], state_of(r)] = r["cost"]
    extra = [
        above(cost, costs[f"{name} ({WITHOUT})", state])
        for (name, state), cost in costs.items()
        if (f"{name} ({WITHOUT})", state) in costs
    ]
    return [e for e in extra if math.isfinite(e)]


def _summary(
    name: tuple[str, str],
    group: list[Mapping[str, Any]],
    best: Mapping[tuple, float],
    regret: Regret,
) -> dict[str, Any]:
    kept = [r for r in group if r["cost"] is not None and r["feasible"]]
    usable = [r for r in kept if state_of(r) in best]
    extra = np.array([above(r["cost"], best[state_of(r)]) for r in usable])
    extra = extra[np.isfinite(extra)]
    bounded = [r for r in group if r["gap"] is not None]
    gaps = [r["gap"] for r in bounded]
    regrets = [regret.told(r["cost"], r["bound"]) for r in bounded]
    told = [r for r in regrets if r is not None]
    proved = [
        regret.proved(r["gap"], r.get("optimal", r["status"] == "optimal"), most)
        for r, most in zip(bounded, regrets, strict=True)
    ]
    below = [
        r["cost"] < best[state_of(r)] - 1e-6 * max(1.0, abs(best[state_of(r)])) for r in usable
    ]
    return plain(
        {
            "model": name[0],
            "controller": name[1],
            "states": len(group),
            "mean_cost": np.mean([r["cost"] for r in usable]) if usable else None,
            "above_median": np.median(extra) if len(extra) else None,
            "above_p95": np.percentile(extra, 95) if len(extra) else None,
            "above_max": extra.max() if len(extra) else None,
            "better_than_reference": int(sum(below)),
            "infeasible": len(group) - len(kept),
            "gap_median": np.median(gaps) if gaps else None,
            "regret_median": np.median(told) if told else None,
            "proved": sum(proved) / len(group) if proved else None,
            "seconds_p50": np.median([r["seconds"] for r in group]),
        }
    )


def above(cost: float, best: float) -> float:
    """How far a cost lies above the best one, relative to it; NaN above a best cost of nothing."""
    gap = cost - best
    if abs(gap) <= 1e-12:
        return 0.0
    return gap / abs(best) if abs(best) > 1e-9 else math.nan


def best_costs(rows: Sequence[Mapping[str, Any]]) -> dict[tuple, float]:
    """The reference's best cost at each state, of plans that keep the constraints, by model,
    episode and step.
    """
    best: dict[tuple, float] = {}
    for r in rows:  # The reference given all plans, where there is one, is a row of its own.
        if r["reference"] and r["feasible"] and r["cost"] is not None:
            best[state_of(r)] = min(best.get(state_of(r), math.inf), r["cost"])
    return best


def state_of(row: Mapping[str, Any]) -> tuple:
    return (row["model"], row["episode"], row["step"])


def _row(name: str, plan: Plan, reference: bool) -> dict[str, Any]:
    own = plan.fallback is None
    return {
        "controller": name,
        "reference": reference,
        "cost": plan.cost if math.isfinite(plan.cost) else None,
        "feasible": "violated" not in plan.info,
        "bound": plan.bound if own else None,
        "gap": plan.gap if own else None,
        "seconds": plan.seconds,
        "status": str(plan.status),
        "optimal": own and plan.closed,
        "fallback": plan.fallback,
    }


def _memory(unit: PlannedUnit, seed: int) -> ControllerState:
    if unit.previous is None:
        return ControllerState(seed=seed, step=unit.step)
    actions = np.asarray(unit.previous, dtype=np.float64)
    last = Plan(actions, np.zeros((0, 0)), Status.HEURISTIC, math.inf, source="previous")
    return ControllerState(seed=seed, step=unit.step, plan=last)


def _without_margins(
    reference: Controller, observation: np.ndarray, memory: ControllerState
) -> Plan | None:
    """The reference's plan under the task's own constraints, where its own are drawn in."""
    if reference.task.margins is None:
        return None
    try:
        problem = reference.problem(observation, memory, reference.task.with_margins(None))
        plan, _ = reference.solve(problem, memory)
    except SparsectlError:
        return None
    return plan if plan.fallback is None else None


def _given_all(
    reference: Controller,
    observation: np.ndarray,
    memory: ControllerState,
    proposals: list[np.ndarray],
) -> Plan | None:
    """The reference's plan from all proposals, if it can start from plans."""
    if not reference.takes_starts:
        return None
    try:
        plan, _ = reference.decide(observation, memory, starts=proposals)
    except SparsectlError:  # What the reference did alone is still there.
        return None
    return plan if plan.fallback is None else None
