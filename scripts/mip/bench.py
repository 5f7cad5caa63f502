"""Benchmark of exact planners: a suite of instances x methods, resumable, then a report.

    python -m scripts.mip.bench --suite contact random --seeds 0 1 2 --methods scip ml_sos1
    python -m scripts.mip.bench --report-only

One row of results goes to the JSONL file as soon as it is there; rows that are in the file are
not run again. Every run has a process of its own, one at a time, on one thread. By default the
limit, the traces and the times reported are CPU seconds of that process, so that other work on
the machine changes little (`--clock wall` for an idle machine). PySCIPOpt-ML is not a dependency
of the package: `pip install PySCIPOpt-ML` to measure it too.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.mip import instances
from scripts.mip import methods as bench_methods
from scripts.mip.clock import count_cpu_seconds
from scripts.study import RESULTS, ROOT
from sparsectl.mip import Limits

ONE_PERCENT = 1e-2
CONTROL_PERIOD = 0.15
"""Plans are also judged at this time [s]; traces keep the point before it."""
_TRACE = 14
"""Points of a trace that are kept."""


def main(argv: list[str] | None = None) -> int:
    """Parse, run, report."""
    torch.set_num_threads(1)
    options = _parse(argv)
    if not options.report_only:
        _run_all(options)
    from scripts.mip import report

    return report.write(load(options.out), options.out)


def _run_all(options: argparse.Namespace) -> None:
    rows = load(options.out)
    done = {(r["instance"], r["method"]) for r in rows if _covers(r, options)}
    methods, started = _available(options.methods), time.perf_counter()
    for cell, seed, method in _work(options, methods):
        kind, size, horizon = cell
        label = size if isinstance(size, int) else "-".join(map(str, size))
        name = f"{kind} {label}x{horizon} s{seed}"
        if (name, method) in done:
            continue
        if options.budget is not None and time.perf_counter() - started > options.budget:
            print(f"budget of {options.budget:g} s used up: run again to go on", file=sys.stderr)
            return
        instance = instances.instance(kind, size, horizon, seed)
        row = measure(method, instance, options.limit, options.gap, options.clock)
        _append(options.out, row)
        state = "solved" if row["solved"] else f"not solved, gap {row['gap']}"
        print(f"{name:24} {method:14} {row['cpu']:7.2f} s {state}", file=sys.stderr, flush=True)


def _work(options: argparse.Namespace, methods: list[str]) -> Iterator[tuple[Any, int, str]]:
    """Seeds outermost, small cells first: a run that is cut short is still a fair sample."""
    cells = [cell for suite in options.suite for cell in instances.SUITES[suite]]
    cells = [cell for cell in cells if options.largest is None or _neurons(cell) <= options.largest]
    if options.cells is not None:
        cells = [cell for cell in cells if f"{cell[0]}:{cell[1]}:{cell[2]}" in options.cells]
    cells.sort(key=_neurons)
    for seed in options.seeds:
        for cell in cells:
            for method in methods:
                yield cell, seed, method


def _neurons(cell: instances.Cell) -> int:
    _, size, horizon = cell
    return (size if isinstance(size, int) else sum(size)) * horizon


def measure(
    method: str, instance: instances.Instance, limit: float, gap: float, clock: str
) -> dict[str, Any]:
    """One row: a method on an instance, in a process of its own."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    load_before = os.getloadavg()[0]
    args = (method, instance, limit, gap, clock, send)
    process = context.Process(target=_child, args=args, daemon=True)
    started = time.perf_counter()
    process.start()
    send.close()
    found: dict[str, Any] = {}
    if receive.poll(8 * limit + 60):
        try:
            found = receive.recv()
        except EOFError:
            found = {"message": "the process died"}
    else:
        found = {"message": "killed: no answer long after its limit"}
        process.kill()
    process.join()
    return {
        "instance": instance.name, "method": method, "kind": instance.kind,
        "relus": instance.relus, "horizon": instance.problem.horizon, "seed": instance.seed,
        "limit": limit, "target_gap": gap, "clock": clock, "load": round(load_before, 1),
        "fingerprint": instance.fingerprint, "version": _version(),
        "outer_wall": round(time.perf_counter() - started, 3),
        **_judge(found, limit, gap, clock),
    }  # fmt: skip


def _child(method, instance, limit, gap, clock, send) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # solvers' banners
    wall = time.perf_counter
    if method != "cem":
        warm = instances.instance("random", 4, 1, 0)  # imports and first calls do not count
        with contextlib.suppress(Exception):
            bench_methods.run(method, warm, Limits(1.0), "wall")
    if clock == "cpu":
        count_cpu_seconds()
    wall_start, cpu_start = wall(), time.process_time()
    try:
        found = bench_methods.run(method, instance, Limits(limit, gap=gap), clock)
    except Exception as error:
        found = {"message": f"{type(error).__name__}: {error}"}
    found["wall"], found["cpu"] = wall() - wall_start, time.process_time() - cpu_start
    send.send(found)
    send.close()


def _judge(found: dict[str, Any], limit: float, gap: float, clock: str) -> dict[str, Any]:
    """Solved or not, gap, claimed against exact cost, time to one per cent."""
    row: dict[str, Any] = {"cpu": limit, "wall": limit, "cost": np.inf, "claimed": np.inf}
    row |= {"bound": None, "violation": 0.0, "nodes": 0, "binaries": 0, "build_seconds": 0.0}
    row["message"] = ""
    row |= {k: v for k, v in found.items() if k != "trace"}
    seconds, bound = row[clock], row["bound"]
    claimed, cost = row["claimed"], row["cost"]
    # A method's own claim decides, as its users would see it; the exact cost is checked apart.
    known = bound is not None and np.isfinite(claimed)
    closed = known and Limits(gap=gap).closed(claimed, bound)
    row["infeasible"] = not np.isfinite(claimed) and "infeasible" in row["message"]
    row["solved"] = bool((closed or row["infeasible"]) and seconds <= 1.05 * limit)
    row["gap"] = np.inf if bound is None else (claimed - bound) / max(abs(claimed), 1e-9)
    row["error"] = abs(claimed - cost) / max(abs(cost), 1e-9) if np.isfinite(cost) else 0.0
    row["trace"] = _thin(_merge(found.get("trace", [])))
    row["one_percent"] = _reached(row["trace"], ONE_PERCENT)
    near = row["infeasible"] or (known and row["gap"] <= ONE_PERCENT)
    if row["one_percent"] is None and near:
        row["one_percent"] = seconds
    return {k: _plain(v) for k, v in row.items()}


def _merge(trace: list) -> list[tuple[float, float, float]]:
    """Best cost and bound so far at every point."""
    merged, cost, bound = [], np.inf, -np.inf
    for seconds, c, b in sorted(tuple(map(float, p)) for p in trace):
        cost, bound = min(cost, c), max(bound, b)
        merged.append((seconds, cost, bound))
    return merged


def _thin(trace: list) -> list:
    if len(trace) <= _TRACE:
        return trace
    keep = {0, len(trace) - 1, *np.linspace(0, len(trace) - 1, _TRACE).astype(int).tolist()}
    first = next((i for i, p in enumerate(trace) if _gap(p) <= ONE_PERCENT), None)
    soon = max((i for i, p in enumerate(trace) if p[0] <= CONTROL_PERIOD), default=None)
    points = [p for i, p in enumerate(trace) if i in keep or i in (first, soon)]
    return [tuple(float(f"{v:.7g}") for v in p) for p in points]


def _gap(point: tuple[float, float, float]) -> float:
    _, cost, bound = point
    if not (np.isfinite(cost) and abs(cost) < 1e19 and np.isfinite(bound)):
        return np.inf
    return (cost - bound) / max(abs(cost), 1e-9)


def _reached(trace: list, gap: float) -> float | None:
    return next((p[0] for p in trace if _gap(p) <= gap), None)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.12g}") if np.isfinite(value) and abs(value) < 1e19 else None
    return value


def load(path: Path) -> list[dict[str, Any]]:
    """Rows of a results file, the last one for every instance and method."""
    if not path.exists():
        return []
    rows = {}
    for line in path.read_text().splitlines():
        row = {"infeasible": False, **json.loads(line)}
        for key, missing in (("cost", np.inf), ("claimed", np.inf), ("gap", np.inf)):
            row[key] = missing if row[key] is None else row[key]
        rows[row["instance"], row["method"]] = row
    return list(rows.values())


def _append(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.write(json.dumps(row) + "\n")


def _covers(row: dict[str, Any], options: argparse.Namespace) -> bool:
    if row["method"] in options.redo or row["target_gap"] > options.gap:
        return False
    return row["solved"] or row["limit"] >= options.limit


def _available(methods: list[str]) -> list[str]:
    missing = importlib.util.find_spec("pyscipopt_ml") is None
    skipped = [m for m in methods if m in bench_methods.NEEDS_ML and missing]
    if skipped:
        print(f"{', '.join(skipped)}: skipped, run `pip install PySCIPOpt-ML`", file=sys.stderr)
    return [m for m in methods if m not in skipped]


def _version() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--suite", nargs="+", default=["contact", "random"], choices=instances.SUITES)
    add("--methods", nargs="+", default=list(bench_methods.METHODS), choices=bench_methods.METHODS)
    add("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    add("--largest", type=int, default=None, help="cells of at most this many ReLUs in all")
    add("--cells", nargs="+", default=None, help="only these of the suite, such as table:64:3")
    add("--limit", type=float, default=20.0, help="seconds per run")
    add("--gap", type=float, default=1e-4, help="relative gap that counts as solved")
    add("--clock", choices=("cpu", "wall"), default="cpu")
    add("--budget", type=float, default=None, help="stop after this many seconds; resumable")
    add("--redo", nargs="+", default=[], help="methods to run again")
    add("--out", type=Path, default=RESULTS / "mip.jsonl")
    add("--report-only", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
