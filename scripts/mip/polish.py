"""Pattern LPs through cvxpy with a parametrised problem, and directly in HiGHS: which is faster.

    python -m scripts.mip.polish

Both take the same walk from the same plans: fix the activation pattern of a rollout, solve the
linear program that is left, re-roll, repeat while the exact cost falls. cvxpy compiles its problem
once per model and horizon and gets the pattern as parameters; its compilation is reported apart.
The direct way loads its model anew at every decision, as the planner does, and that counts.
One row per model and way, and their ratio, in scripts/results/polish.csv; `relaxation` is, for
comparison, one decision of that planner.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from scripts.mip import instances, methods
from scripts.study import RESULTS
from sparsectl.mip import bound_neurons, encode
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.triangle import Solver, Triangle
from sparsectl.program import ReluProgram
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem

MODELS = [("rope", (4, 12), 3), ("rope", (12, 12), 5), ("pusht", (8, 8), 5), ("pusht", (12, 12), 5)]
PLANS, PASSES = 4, 8
WAYS = ("direct", "cvxpy-highs", "cvxpy-clarabel")
_IMPROVEMENT = 1e-9
Solve = Callable[[np.ndarray], np.ndarray | None]
"""Pattern (H, m) -> actions (H, nu) of its linear program."""


@dataclass
class Walk:
    """Totals of one way over all decisions of a model."""

    costs: list[float]
    solves: int = 0
    seconds: float = 0.0


def main(argv: list[str] | None = None) -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--decisions", type=int, default=6)
    parser.add_argument("--out", type=Path, default=RESULTS / "polish.csv")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = []
    for kind, hidden, horizon in MODELS:
        rows += measure(kind, hidden, horizon, options.decisions)
        print(_line(rows[-4:]), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with open(options.out, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return 0


def measure(kind: str, hidden: tuple[int, ...], horizon: int, decisions: int) -> list[dict]:
    """Rows of one model: the ways, then one plan of the relaxation, bounds included."""
    cases = [instances.instance(kind, hidden, horizon, seed) for seed in range(decisions)]
    started = time.perf_counter()
    triangle = Triangle(cases[0].program, cases[0].problem)
    program, problem = cases[0].program, cases[0].problem
    bounds = bound_neurons(program, problem, "crown")
    for solver in ("highs", "clarabel"):
        triangle.solve(problem, bounds, solver)
    compiled = time.perf_counter() - started
    walks, relaxed = {name: Walk([]) for name in WAYS}, Walk([])
    for case in [cases[0], *cases]:  # the first round warms everything up and is thrown away
        if case is cases[0]:
            walks, relaxed = {name: Walk([]) for name in walks}, Walk([])
        program, problem = case.program, case.problem
        bounds = bound_neurons(program, problem, "crown")
        plans = [methods.sample(program, problem, k, iterations=4)[0] for k in range(PLANS)]
        started = time.perf_counter()
        fresh = bound_neurons(program, problem, "crown")
        answer = triangle.solve(problem, fresh, "clarabel")
        relaxed.seconds += time.perf_counter() - started
        relaxed.solves += 1
        relaxed.costs.append(_cost(program, problem, answer.actions))
        _direct(walks["direct"], program, problem, bounds, plans)
        for solver in ("highs", "clarabel"):
            solve = _through_cvxpy(triangle, problem, bounds, solver)
            _walk(walks[f"cvxpy-{solver}"], program, problem, plans, solve)
    direct = walks["direct"]
    base, rows = 1e3 * direct.seconds / direct.solves, []
    for name, walk in {**walks, "relaxation": relaxed}.items():
        each = 1e3 * walk.seconds / walk.solves
        rows.append(
            {
                "model": f"{kind} {'-'.join(map(str, hidden))}x{horizon}",
                "way": name,
                "decisions": len(cases),
                "programs": walk.solves,
                "ms_per_program": round(each, 3),
                "ms_per_decision": round(1e3 * walk.seconds / len(cases), 2),
                "times_direct": round(each / base, 2),
                "compile_ms": 0 if name == "direct" else round(1e3 * compiled, 1),
                "mean_cost": round(float(np.mean(walk.costs)), 4),
            }
        )
    return rows


def _direct(
    walk: Walk,
    program: ReluProgram,
    problem: Problem,
    bounds: HorizonBounds,
    plans: list[np.ndarray],
) -> None:
    """The planner's own polisher, its model loaded once a decision."""
    model = encode(program, problem, bounds)
    started = time.perf_counter()
    polisher = Polisher(OCP(program, problem), model)
    for plan in plans:
        polished = polisher(plan, passes=PASSES)
        walk.solves += polished.solves
        walk.costs.append(polished.cost)
    walk.seconds += time.perf_counter() - started


def _through_cvxpy(
    triangle: Triangle, problem: Problem, bounds: HorizonBounds, solver: Solver
) -> Solve:
    """A triangle without width is a fixed sign: slope 1 or 0, offset 0."""

    def solve(on: np.ndarray) -> np.ndarray | None:
        low, high = np.where(on, 0.0, -1.0), np.where(on, 1.0, 0.0)
        fixed = replace(bounds, pre_low=low, pre_high=high)
        return triangle.solve(problem, fixed, solver).actions

    return solve


def _walk(
    walk: Walk, program: ReluProgram, problem: Problem, plans: list[np.ndarray], solve: Solve
) -> None:
    started = time.perf_counter()
    for plan in plans:
        best, cost = plan, _cost(program, problem, plan)
        for _ in range(PASSES):
            found = solve(program.patterns(problem.x0, best))
            walk.solves += 1
            if found is None:
                break
            found = np.clip(found, problem.u_low, problem.u_high)
            value = _cost(program, problem, found)
            if not value < cost - _IMPROVEMENT * (1 + abs(cost)):
                break
            best, cost = found, value
        walk.costs.append(cost)
    walk.seconds += time.perf_counter() - started


def _cost(program: ReluProgram, problem: Problem, actions: np.ndarray) -> float:
    states = program.rollout(problem.x0, actions)
    if float(problem.constraints.violation(states)) > 1e-6:
        return np.inf
    return float(problem.cost(states, actions))


def _line(rows: list[dict]) -> str:
    parts = [f"{r['way']} {r['ms_per_program']:.2f} ms (x{r['times_direct']:.1f})" for r in rows]
    return f"{rows[0]['model']:16} " + ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
