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

import argparse
import csv
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from scripts.mip import clock
from scripts.study import RESULTS
from sparsectl.files import csv_text, write_atomic
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


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per kind, depth, width, horizon and seed."""
    rows, began = [], time.process_time()
    failed: set[tuple[Any, ...]] = set()
    for seed, layers, width, horizon, kind in itertools.product(
        options.seeds, options.layers, options.widths, options.horizons, options.kinds
    ):
        row: dict[str, Any] = {
            "kind": kind, "layers": layers, "width": width, "horizon": horizon, "seed": seed,
        }  # fmt: skip
        same = {(kind, layers, w, h, seed) for w in options.widths for h in options.horizons}
        hopeless = any(f in failed and f[2] <= width and f[3] <= horizon for f in same)
        if time.process_time() - began > options.budget:
            print(f"budget of {options.budget:g} CPU seconds used up", file=sys.stderr)
            break
        if hopeless:
            rows.append(row | {"tried": False, "solved": False, "seconds": options.limit})
            continue
        program, problem, repeated = instance(kind, width, layers, horizon, seed)
        solution, seconds = measure(program, problem, options.limit)
        solved = solution.status == Status.OPTIMAL
        if not solved:
            failed.add((kind, layers, width, horizon, seed))
        rows.append(
            row
            | {"tried": True, "solved": solved, "seconds": seconds, "gap": solution.gap}
            | {"binaries": solution.binaries, "nodes": solution.nodes, "repeated": repeated}
        )
        print(
            f"{kind} {layers}x{width} H={horizon} s{seed}: {seconds:.2f} s {solution.status.value} "
            f"{solution.binaries} binaries, {solution.nodes} nodes", file=sys.stderr, flush=True,
        )  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]], limit: float) -> list[dict[str, Any]]:
    """One row per cell: medians over seeds, a run that is not solved counting as the limit."""
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        key = (row["layers"], row["width"], row["horizon"], row["kind"])
        cells.setdefault(key, []).append(row)
    found = []
    for (layers, width, horizon, kind), group in sorted(cells.items()):
        tried = [r for r in group if r["tried"]]
        seconds = [r["seconds"] if r["solved"] else limit for r in group]
        open_gaps = [r["gap"] for r in tried if not r["solved"] and r["gap"] is not None]
        found.append({
            "layers": layers, "width": width, "horizon": horizon, "kind": kind,
            "runs": len(group), "tried": len(tried),
            "binaries": _median([r["binaries"] for r in tried]),
            "median_seconds": _median(seconds),
            "solved": round(float(np.mean([r["solved"] for r in group])), 3),
            "median_nodes": _median([r["nodes"] for r in tried]),
            "median_gap_of_unsolved": _median(open_gaps, 4),
            "repeated": _median([r["repeated"] for r in tried]),
        })  # fmt: skip
    return found


def _median(values: list[Any], digits: int = 3) -> float | str:
    return round(float(np.median(values)), digits) if values else ""


def _others(path: Path, kinds: list[str]) -> list[dict[str, Any]]:
    """Rows of a table that are of other kinds: they stay."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [row for row in csv.DictReader(file) if row["kind"] not in kinds]


def main(argv: list[str] | None = None) -> int:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    add("--widths", nargs="+", type=int, default=[8, 16, 24, 32])
    add("--layers", nargs="+", type=int, default=[1, 2])
    add("--horizons", nargs="+", type=int, default=[1, 3, 5])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--limit", type=float, default=10.0, help="CPU seconds per run")
    add("--budget", type=float, default=360.0, help="CPU seconds in all")
    add("--out", type=Path, default=RESULTS / "binary_plan.csv")
    options = parser.parse_args(argv)
    clock.count_cpu_seconds()
    clock._LOOSE = 20.0  # the machine may be shared by many
    for kind in options.kinds:
        program, problem, _ = instance(kind, 4, 1, 1, 0)
        measure(program, problem, 1.0)  # imports and first calls do not count
    found = [*_others(options.out, options.kinds), *table(run(options), options.limit)]
    found.sort(key=lambda r: (*(int(r[k]) for k in ("layers", "width", "horizon")), r["kind"]))
    write_atomic(options.out, csv_text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
