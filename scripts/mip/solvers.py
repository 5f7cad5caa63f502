"""Study of solver settings and plugins: every variant on the same instances, resumable.

    python -m scripts.mip.solvers --backends scip --budget 900
    python -m scripts.mip.solvers --report-only

A row goes to the CSV file as soon as it is there and is not run again. All variants start from
the same model (CROWN bounds) and the same polished plan, made outside the clock; the clock counts
CPU seconds of a process of its own. The instances' seeds are part of the set; `--random` adds
seeds of the solver.
"""

from __future__ import annotations

import argparse
import csv
import functools
import multiprocessing
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.mip import clock, instances, methods, solvers_report
from scripts.mip import variants as variants
from scripts.study import RESULTS, ROOT
from sparsectl.mip import Limits, MIPModel
from sparsectl.mip.backends import highs, scip
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import bound_neurons, prepare
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.search.solver import run

INSTANCES: tuple[tuple[str, int | tuple[int, ...], int, int], ...] = (
    ("contact", 8, 10, 0),
    ("contact", 8, 10, 1),
    ("contact", 16, 5, 0),
    ("contact", 16, 5, 2),
    ("contact", 24, 3, 2),
    ("contact", 24, 5, 0),
    ("contact", 24, 5, 2),
    ("contact", 48, 3, 0),
    ("table", 16, 3, 0),
    ("table", 24, 2, 0),
    ("table", 16, 4, 0),
    ("rope", (4, 12), 3, 0),
    ("pusht", (8, 8), 3, 0),
    ("random", 16, 5, 1),
)
"""Kind, ReLUs, horizon, seed: what takes SCIP between 0.1 and 10 s."""
FIELDS = (
    "backend", "variant", "instance", "random", "cpu", "solved", "nodes", "gap", "limit",
    "cost", "bound", "fingerprint", "version", "message",
)  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """What all variants share about an instance."""

    instance: instances.Instance
    model: MIPModel
    start: np.ndarray


@functools.cache
def prepared(cell: tuple) -> Prepared:
    """Model and starting plan of an instance."""
    instance = instances.instance(*cell)
    program, problem = instance.program, instance.problem
    model = prepare(program, problem, bound_neurons(program, problem, "crown"))
    assert isinstance(model, MIPModel), instance.name
    polisher = Polisher(OCP(program, problem), model)
    plans = [methods.sample(program, problem, k)[0] for k in range(4)]
    plans = [polisher(plan, passes=8).actions for plan in plans]
    costs = [problem.cost(program.rollout(problem.x0, plan), plan) for plan in plans]
    return Prepared(instance, model, plans[int(np.argmin(costs))])


def measure(
    backend: str, name: str, cell: tuple, random: int, limit: float, gap: float
) -> dict[str, Any]:
    """One row, from a process of its own."""
    shared = prepared(cell)
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    args = (backend, name, shared, random, limit, gap, send)
    process = context.Process(target=_child, args=args, daemon=True)
    process.start()
    send.close()
    row: dict[str, Any] = {"cpu": limit, "solved": 0, "message": "no answer: killed"}
    if receive.poll(10 * limit + 30):
        try:
            row = receive.recv()
        except EOFError:
            row["message"] = "the process died"
    else:
        process.kill()
    process.join()
    return {
        "backend": backend, "variant": name, "instance": shared.instance.name, "random": random,
        "limit": limit, "fingerprint": shared.instance.fingerprint, "version": _version(), **row,
    }  # fmt: skip


def _child(backend, name, shared, random, limit, gap, send) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    clock.count_cpu_seconds()
    program, problem = shared.instance.program, shared.instance.problem
    variant = variants.ALL[backend][name]
    seed = {"scip": "randomization/randomseedshift", "highs": "random_seed"}[backend]
    if not variant.shipped:
        module = {"scip": scip, "highs": highs}[backend]
        base = {"scip": variants.SCIP_BASE, "highs": {}}[backend]
        module.SETTINGS.clear()
        module.SETTINGS.update({**base, **variant.settings})
    if random:
        {"scip": scip, "highs": highs}[backend].SETTINGS[seed] = random
    # HiGHS only knows the wall clock: what counts is cut below.
    seconds = 2 * limit if backend == "highs" else limit
    limits = Limits(seconds, gap=gap)
    begin = time.process_time()
    try:
        solution = run(
            program, problem, shared.model, limits, [shared.start], backend,
            options=None if variant.shipped else variant.options,
        )  # fmt: skip
    except Exception as error:
        row = {"cpu": limit, "solved": 0, "message": f"{type(error).__name__}: {error}"}
        send.send(row)
        return
    cpu = time.process_time() - begin
    closed = solution.bound is not None and limits.closed(solution.claimed_cost, solution.bound)
    send.send(
        {
            "cpu": round(min(cpu, limit), 4),
            "solved": int(closed and cpu <= 1.05 * limit),
            "nodes": solution.nodes,
            "gap": "" if solution.gap is None else f"{solution.gap:.3g}",
            "cost": f"{solution.cost:.9g}",
            "bound": "" if solution.bound is None else f"{solution.bound:.9g}",
            "message": solution.message,
        }
    )


def load(path: Path) -> list[dict[str, Any]]:
    """Rows of the results file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _append(path: Path, row: dict[str, Any]) -> None:
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        writer.writerow({k: row.get(k, "") for k in FIELDS})


def _version() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then report."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--backends", nargs="+", default=["scip", "highs"], choices=list(variants.ALL))
    add("--variants", nargs="+", default=None, help="default: all")
    add("--random", nargs="+", type=int, default=[0], help="random seeds of the solver")
    add("--instances", nargs="+", default=None, help="only those whose name holds one of these")
    add("--limit", type=float, default=10.0, help="CPU seconds a run")
    add("--gap", type=float, default=1e-4)
    add("--budget", type=float, default=None, help="stop after this many seconds; resumable")
    add("--redo", nargs="+", default=[], help="variants to run again")
    add("--out", type=Path, default=RESULTS / "solver_study.csv")
    add("--report-only", action="store_true")
    options = parser.parse_args(argv)
    if not options.report_only:
        _run_all(options)
    print(solvers_report.write(load(options.out), options.out.with_suffix(".md")))
    return 0


def _run_all(options: argparse.Namespace) -> None:
    rows, started = load(options.out), time.perf_counter()
    done = {(r["backend"], r["variant"], r["instance"], int(r["random"])) for r in rows}
    done = {key for key in done if key[1] not in options.redo}
    for random in options.random:
        for backend in options.backends:
            for name in options.variants or variants.ALL[backend]:
                if name not in variants.ALL[backend]:
                    continue
                for cell in INSTANCES:
                    label = prepared(cell).instance.name
                    wanted = options.instances is None or any(p in label for p in options.instances)
                    if not wanted or (backend, name, label, random) in done:
                        continue
                    if options.budget and time.perf_counter() - started > options.budget:
                        print("budget used up: run again to go on", file=sys.stderr)
                        return
                    row = measure(backend, name, cell, random, options.limit, options.gap)
                    _append(options.out, row)
                    print(backend, name, label, row["cpu"], row["solved"], row.get("nodes"),
                          file=sys.stderr, flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
