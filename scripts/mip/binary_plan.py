"""Are one-bit weights easier to plan with? Solve times of SCIP on networks of the same shape.

    python -m scripts.mip.binary_plan                  # about 6 minutes of one core
    python -m scripts.mip.binary_plan --seeds 0 --widths 8 --horizons 1

Random networks x' = x + net([x; u; 1]) / 2 of six states and two actions: normal weights, or their
signs, over the root of a layer's inputs, with ReLU or sign neurons. Start, target and the weights'
signs of a seed are the same for every kind. Plans minimise the L1 distance to the target, to a gap
of 0.1 %, from the best plans of a random search. Seconds are CPU seconds of this process. After a
width or a horizon that is not solved in time the larger ones count as not solved too, untried.
"""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scripts import study
from scripts.mip import clock
from scripts.study import RESULTS, Row
from sparsectl.files import csv_text, read_json_lines, write_atomic
from sparsectl.mip import Limits, Solution, solve
from sparsectl.mip.search.explore import Exploration, explore
from sparsectl.program import ReluProgram, algebra, lower_network
from sparsectl.program.network import Activation, without_constants
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem
from sparsectl.types import Status

STATES, ACTIONS = 6, 2
KINDS: dict[str, tuple[bool, Activation]] = {
    "bits relu": (True, "relu"),
    "bits sign": (True, "sign"),
    "real relu": (False, "relu"),
    "real sign": (False, "sign"),
}
"""Name: (one-bit weights, activation)."""
_SEARCH = Exploration(first=500, samples=200, rounds=4)


def instance(kind: str, width: int, layers: int, horizon: int, seed: int):
    """(program, problem, first-layer neurons that repeat or oppose an earlier one)."""
    bits, activation = KINDS[kind]
    rng = np.random.default_rng([seed, width, layers])
    x0, away = 0.5 * rng.normal(size=STATES), 0.5 * rng.normal(size=STATES)
    sizes, pairs = [STATES + ACTIONS, *[width] * layers, STATES], []
    repeated = 0
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        W = rng.normal(size=(b, a + 1))
        if bits:
            W = np.where(W >= 0, 1.0, -1.0)
            if i == 0:
                repeated = width - len(np.unique(W * W[:, :1], axis=0))
        pairs.append(without_constants(W, a, (a + 1) ** -0.5))
    network = algebra.postcompose(lower_network(pairs, activation), 0.5 * np.eye(STATES))
    program = algebra.add_linear(network, np.eye(STATES, STATES + ACTIONS))
    cost = Cost((Term(np.eye(STATES), x0 + away, "l1", 1.0, 1.0),), "l1", 0.01)
    free = Constraints(np.zeros((0, STATES)), np.zeros(0))
    box = np.ones(ACTIONS)
    return program, Problem(x0, cost, free, -box, box, horizon), repeated


def measure(program: ReluProgram, problem: Problem, limit: float) -> tuple[Solution, float]:
    """Answer of SCIP and CPU seconds, the search for starting plans included."""
    started = time.process_time()
    starts = explore(program, problem, count=2, settings=_SEARCH)
    left = limit - (time.process_time() - started)
    solution = solve(program, problem, limits=Limits(max(left, 0.0), gap=1e-3), starts=starts)
    return solution, time.process_time() - started


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "binary_plan.jsonl"
    kinds: tuple[Literal[tuple(KINDS)], ...] = tuple(KINDS)
    widths: tuple[int, ...] = (8, 16, 24, 32)
    layers: tuple[int, ...] = (1, 2)
    horizons: tuple[int, ...] = (1, 3, 5)
    seeds: tuple[int, ...] = (0, 1, 2)
    limit: float = 10.0
    """CPU seconds of a run."""
    budget_seconds: float | None = 360.0


def main(argv: list[str] | None = None) -> int:
    """Run and write the table."""
    options = study.parse(Options, __doc__, argv)
    clock.count_cpu_seconds()
    clock._LOOSE = 20.0  # the machine may be shared by many
    for kind in options.kinds:
        program, problem, _ = instance(kind, 4, 1, 1, 0)
        measure(program, problem, 1.0)  # imports and first calls do not count
    units = itertools.product(
        options.seeds, options.layers, options.widths, options.horizons, options.kinds
    )
    names = ("seed", "layers", "width", "horizon", "kind")
    rows = study.run(options, [dict(zip(names, unit, strict=True)) for unit in units], _row)
    write_atomic(options.out.with_suffix(".csv"), csv_text(table(rows)))
    return 0


def _row(unit: Row, options: Options) -> Row:
    """One run, unless a smaller one of its kind and seed was not solved."""
    same = {k: unit[k] for k in ("kind", "layers", "seed")}
    for row in read_json_lines(options.out):
        smaller = row["width"] <= unit["width"] and row["horizon"] <= unit["horizon"]
        if study.has(same, row) and smaller and not row["solved"]:
            return {"tried": False, "solved": False, "seconds": options.limit}
    program, problem, repeated = instance(**unit)
    solution, seconds = measure(program, problem, options.limit)
    solved = solution.status == Status.OPTIMAL
    return {"tried": True, "solved": solved, "seconds": seconds if solved else options.limit,
            "gap": solution.gap, "binaries": solution.binaries, "nodes": solution.nodes,
            "repeated": repeated}  # fmt: skip


def table(rows: list[Row]) -> list[Row]:
    """One row per cell: medians over seeds, a run that is not solved counting as the limit."""
    found = []
    for cell, group in sorted(study.groups(rows, "layers", "width", "horizon", "kind").items()):
        tried = [r for r in group if r["tried"]]
        open_gaps = [r["gap"] for r in tried if not r["solved"] and r["gap"] is not None]
        found.append({
            **dict(zip(("layers", "width", "horizon", "kind"), cell, strict=True)),
            "runs": len(group), "tried": len(tried),
            "binaries": _median([r["binaries"] for r in tried]),
            "median_seconds": _median([r["seconds"] for r in group]),
            "solved": round(float(np.mean([r["solved"] for r in group])), 3),
            "median_nodes": _median([r["nodes"] for r in tried]),
            "median_gap_of_unsolved": _median(open_gaps, 4),
            "repeated": _median([r["repeated"] for r in tried]),
        })  # fmt: skip
    return found


def _median(values: list[Any], digits: int = 3) -> float | str:
    return round(float(np.median(values)), digits) if values else ""


if __name__ == "__main__":
    sys.exit(main())
