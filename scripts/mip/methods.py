"""Methods of the solver benchmark: one instance in, one plain result out.

`ours`: `anytime.plan` with its default options; `moved_on`: and the plans that the decision before
leaves. `scip`, `highs`, `hull`, `boxes`: `ours` with that engine. `gurobi`,
`highs_default`, `scip_default`: the same model in a solver as it is (see `peers`). `interval`:
big-M with interval bounds, SCIP's default settings, no starting plan. `ml_sos1`, `ml_bigm`:
PySCIPOpt-ML as its users run it; `..._tuned`: with our SCIP settings. `cem`: a sampler on the exact
program.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from scripts.mip import peers
from scripts.mip.instances import Instance
from sparsectl.mip import Limits, Solution, anytime, encode
from sparsectl.mip.backends import scip
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import bound_neurons, prepare
from sparsectl.mip.scale import scaled
from sparsectl.mip.search.solver import conclude
from sparsectl.program import ReluProgram
from sparsectl.task import Problem

Trace = list[tuple[float, float, float]]


def sample(
    program: ReluProgram,
    problem: Problem,
    seed: int,
    *,
    iterations: int | None = 8,
    deadline: float | None = None,
    samples: int = 96,
    trace: Trace | None = None,
) -> tuple[np.ndarray, float]:
    """Best plan of a cross-entropy search on the exact program, and its cost.

    Without `iterations` it restarts wide whenever it has contracted, until the deadline.
    """
    rng, started = np.random.default_rng([seed, 7]), time.perf_counter()
    shape = (problem.horizon, problem.nu)
    centre, half = (problem.u_low + problem.u_high) / 2, (problem.u_high - problem.u_low) / 2
    mean, sigma = np.zeros(shape), np.full(shape, 0.7)
    best, best_cost, k = centre + mean, np.inf, 0
    while (iterations is None or k < iterations) and (
        deadline is None or time.perf_counter() < deadline
    ):
        z = np.clip(mean + sigma * rng.normal(size=(samples, *shape)), -1, 1)
        z[0] = np.clip(mean, -1, 1)
        plans = centre + half * z
        states = program.rollout(problem.x0, plans)
        costs = problem.cost(states, plans) + 1e3 * problem.constraints.violation(states)
        order = np.argsort(costs)[:12]
        if costs[order[0]] < best_cost:
            best, best_cost = plans[order[0]], float(costs[order[0]])
            if trace is not None:
                trace.append((time.perf_counter() - started, best_cost, -np.inf))
        mean, sigma = z[order].mean(0), z[order].std(0) + 1e-3
        if iterations is None and sigma.mean() < 0.02:
            mean, sigma = np.zeros(shape), np.full(shape, 0.7)
            if rng.random() < 0.5:
                mean, sigma = (best - centre) / np.maximum(half, 1e-12), np.full(shape, 0.3)
        k += 1
    return best, best_cost


def _plan(
    backend: str | None, instance: Instance, limits: Limits, clock: str, moved_on: bool = False
) -> dict[str, Any]:
    if moved_on and instance.starts is None:
        raise peers.Refused("a first decision: there is no plan to move on")
    known = list(instance.starts) if moved_on and instance.starts is not None else []
    program, problem = instance.program, instance.problem

    def propose(deadline: float | None) -> list[np.ndarray]:
        starts = [sample(program, problem, k, deadline=deadline)[0] for k in range(4)]
        return [np.zeros((problem.horizon, problem.nu)), *known, *starts]

    chosen = {} if backend is None else {"backend": backend}
    options, seconds = anytime.Options(gap=limits.gap, **chosen), limits.seconds  # type: ignore[arg-type]
    deadline = None if seconds is None else time.perf_counter() + seconds
    return _from_solution(anytime.plan(program, problem, propose, options, deadline))


def _as_is(solver: str, instance: Instance, limits: Limits, clock: str) -> dict[str, Any]:
    started, program, problem = time.perf_counter(), instance.program, instance.problem
    own, scaling = scaled(OCP(program, problem))
    model = prepare(own)
    if isinstance(model, Solution):
        return _from_solution(model)
    built = time.perf_counter() - started
    left = None if limits.seconds is None else max(limits.seconds - built, 0.0)
    raw = peers.load(solver)(model, replace(limits, seconds=left))
    unit, cost, claimed, violation = scaling.cost_unit, np.inf, np.inf, 0.0
    if raw.values is not None:
        claimed = model.objective(raw.values[: model.n]) * unit
        actions = problem.admit(scaling.original_actions(raw.values[model.u]))
        states = program.rollout(problem.x0, actions)
        cost, violation = problem.cost(states, actions), problem.constraints.violation(states)
    return result(
        float(cost), claimed, raw.bound * unit if np.isfinite(raw.bound) else None,
        float(violation), [(s + built, p * unit, b * unit) for s, p, b in raw.trace],
        nodes=raw.nodes, binaries=model.binaries, build_seconds=built,
        message=f"{'infeasible: ' if raw.infeasible else ''}{raw.message}",
        solver=peers.about(solver),
    )  # fmt: skip


def _interval(instance: Instance, limits: Limits, clock: str) -> dict[str, Any]:
    program, problem, started = instance.program, instance.problem, time.perf_counter()
    model = encode(program, problem, bound_neurons(program, problem, "interval"))
    scip.SETTINGS.clear()  # of this process, which ends after the run
    scip.SETTINGS.update({"display/verblevel": 0})
    plain = scip.SCIPOptions(heuristics="default", cut_rounds=0)
    raw = scip.solve(model, limits, options=plain)
    built = time.perf_counter() - started - raw.seconds
    solution = conclude(OCP(program, problem), model, raw, limits)
    return _from_solution(solution) | {"build_seconds": built}


def _ml(
    formulation: str, tuned: bool, instance: Instance, limits: Limits, clock: str
) -> dict[str, Any]:
    from scripts.mip import pyscipopt_ml

    return pyscipopt_ml.solve(instance, limits, formulation, tuned)


def _cem(instance: Instance, limits: Limits, clock: str) -> dict[str, Any]:
    trace: Trace = []
    end = time.perf_counter() + min(limits.seconds or 2.0, 2.0)
    problem = instance.problem
    plan, _ = sample(
        instance.program, problem, instance.seed, iterations=None, deadline=end, trace=trace
    )
    states = instance.program.rollout(problem.x0, plan)
    violation = float(problem.constraints.violation(states))
    cost = float(problem.cost(states, plan))
    return result(cost, cost, None, violation, trace, message="heuristic")


def result(
    cost: float, claimed: float, bound: float | None, violation: float, trace: Trace, **more: Any
) -> dict[str, Any]:
    """The entries every method reports; `more`: nodes, binaries, build_seconds, message."""
    found = {"cost": cost, "claimed": claimed, "bound": bound, "violation": violation}
    base = {"trace": trace, "nodes": 0, "binaries": 0, "build_seconds": 0.0, "message": ""}
    return found | base | more


def _from_solution(solution: Solution) -> dict[str, Any]:
    return result(
        solution.cost, solution.claimed_cost, solution.bound, solution.violation,
        list(solution.trace), nodes=solution.nodes, binaries=solution.binaries,
        build_seconds=solution.build_seconds,
        message=f"{solution.status.value}: {solution.message}",
    )  # fmt: skip


METHODS: dict[str, Callable[[Instance, Limits, str], dict[str, Any]]] = {
    "ours": partial(_plan, None),
    "moved_on": partial(_plan, None, moved_on=True),
    "scip": partial(_plan, "scip"),
    "highs": partial(_plan, "highs"),
    "hull": partial(_plan, "hull"),
    "boxes": partial(_plan, "boxes"),
    "gurobi": partial(_as_is, "gurobi"),
    "highs_default": partial(_as_is, "highs"),
    "scip_default": partial(_as_is, "scip"),
    "interval": _interval,
    "ml_sos1": partial(_ml, "sos", False),
    "ml_bigm": partial(_ml, "bigm", False),
    "ml_sos1_tuned": partial(_ml, "sos", True),
    "ml_bigm_tuned": partial(_ml, "bigm", True),
    "cem": _cem,
}
"""Methods by name; the clock, "cpu" or "wall", is what limit and trace are measured in."""
NEEDS = {"gurobi": ("gurobipy", "gurobipy")} | {
    name: ("pyscipopt_ml", "PySCIPOpt-ML") for name in METHODS if name.startswith("ml_")
}
"""Module and package of methods that need one which the package itself does not."""
