"""Benchmark of exact planners: a suite of instances x methods, resumable, then a report.

    python -m scripts.mip.bench --suite contact random --seeds 0 1 2 --methods scip ml_sos1
    python -m scripts.mip.bench --report-only

Every run has a process of its own on one thread. By default the limit, the traces and the times
are CPU seconds of that process, so that other work on the machine changes little (`--clock wall`
for an idle machine). PySCIPOpt-ML and Gurobi are not dependencies of the package: `pip install
PySCIPOpt-ML gurobipy` to measure them too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scripts import study
from scripts.mip import instances, methods, report
from scripts.mip.clock import count_cpu_seconds
from scripts.mip.peers import Refused
from scripts.study import RESULTS, Row
from sparsectl.errors import ConfigError
from sparsectl.files import read_json_lines
from sparsectl.mip import Limits

ONE_PERCENT = 1e-2
_TRACE = 14
"""Points of a trace that are kept."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "mip.jsonl"
    suite: tuple[Literal[tuple(instances.SUITES)], ...] = ("contact", "random")
    methods: tuple[Literal[tuple(methods.METHODS)], ...] = tuple(methods.METHODS)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    largest: int | None = None
    """Cells of at most this many ReLUs in all."""
    cells: tuple[str, ...] | None = None
    """Only these of the suite, such as table:64:3."""
    limit: float = 20.0
    """Seconds of a run."""
    gap: float = 1e-4
    """Relative gap that counts as solved."""
    clock: Literal["cpu", "wall"] = "cpu"
    redo: tuple[str, ...] = ()
    """Methods to run again."""


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then report."""
    options = study.parse(Options, __doc__, argv)

    def done(unit: Row, row: Row) -> bool:
        known = study.has({k: unit[k] for k in ("instance", "method")}, row)
        if not known or row["method"] in options.redo or row["target_gap"] > options.gap:
            return False
        return row["solved"] or row["limit"] >= options.limit

    study.run(options, _units(options), _row, done=done)
    return report.write(load(options.out), options.out)


def _units(options: Options) -> Iterator[Row]:
    """Seeds outermost, small cells first: a run that is cut short is still a fair sample."""
    cells = [cell for suite in options.suite for cell in instances.SUITES[suite]]
    cells = [c for c in cells if options.largest is None or instances.neurons(c) <= options.largest]
    if options.cells is not None:
        cells = [c for c in cells if ":".join(map(str, c)) in options.cells]
    cells.sort(key=instances.neurons)
    skipped = []
    for method in options.methods:
        module, package = methods.NEEDS.get(method, ("scripts", ""))
        if importlib.util.find_spec(module) is None:
            skipped.append(method)
            print(f"{method}: skipped, run `pip install {package}`", file=sys.stderr)
    for seed in options.seeds:
        for cell in cells:
            for method in (m for m in options.methods if m not in skipped):
                yield {"instance": instances.name(*cell, seed), "method": method}


def _row(unit: Row, options: Options) -> Row:
    instance = instances.named(unit["instance"])
    return measure(unit["method"], instance, options.limit, options.gap, options.clock)


def measure(
    method: str, instance: instances.Instance, limit: float, gap: float, clock: str
) -> dict[str, Any]:
    """One row: a method on an instance, in a process of its own."""
    load_before, started = os.getloadavg()[0], time.perf_counter()
    found = study.isolated(_solve, method, instance, limit, gap, clock, seconds=8 * limit + 60)
    return {
        "instance": instance.name, "method": method, "kind": instance.kind,
        "relus": instance.relus, "horizon": instance.problem.horizon, "seed": instance.seed,
        "limit": limit, "target_gap": gap, "clock": clock, "load": round(load_before, 1),
        "fingerprint": instance.fingerprint, "version": study.version(),
        "outer_wall": round(time.perf_counter() - started, 3),
        **_judge(found, limit, gap, clock),
    }  # fmt: skip


def _solve(
    method: str, instance: instances.Instance, limit: float, gap: float, clock: str
) -> dict[str, Any]:
    wall = time.perf_counter
    if method != "cem":
        warm = instances.instance("random", 4, 1, 0)  # imports and first calls do not count
        with contextlib.suppress(Exception):
            methods.METHODS[method](warm, Limits(1.0), "wall")
    if clock == "cpu":
        count_cpu_seconds()
    wall_start, cpu_start = wall(), time.process_time()
    try:
        found = methods.METHODS[method](instance, Limits(limit, gap=gap), clock)
    except (ConfigError, Refused) as error:
        found = {"message": str(error), "refused": True}
    except Exception as error:
        found = {"message": f"{type(error).__name__}: {error}"}
    return {**found, "wall": wall() - wall_start, "cpu": time.process_time() - cpu_start}


def _judge(found: dict[str, Any], limit: float, gap: float, clock: str) -> dict[str, Any]:
    """Solved or not, gap, claimed against exact cost, time to one per cent."""
    row: dict[str, Any] = {"cpu": limit, "wall": limit, "cost": np.inf, "claimed": np.inf}
    row |= {"bound": None, "violation": 0.0, "nodes": 0, "binaries": 0, "build_seconds": 0.0}
    row |= {"message": "", "refused": False} | {k: v for k, v in found.items() if k != "trace"}
    seconds, bound, claimed, cost = (row[k] for k in (clock, "bound", "claimed", "cost"))
    # A method's own claim decides, as its users would see it; the exact cost is checked apart.
    known = bound is not None and np.isfinite(claimed)
    closed = known and Limits(gap=gap).closed(claimed, bound)
    row["infeasible"] = not np.isfinite(claimed) and "infeasible" in row["message"]
    row["solved"] = bool((closed or row["infeasible"]) and seconds <= 1.05 * limit)
    row["gap"] = np.inf if bound is None else (claimed - bound) / max(abs(claimed), 1e-9)
    row["error"] = abs(claimed - cost) / max(abs(cost), 1e-9) if np.isfinite(cost) else 0.0
    row["trace"] = _thin(_merge(found.get("trace", [])))
    row["one_percent"] = next((p[0] for p in row["trace"] if _gap(p) <= ONE_PERCENT), None)
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
    soon = max((i for i, p in enumerate(trace) if p[0] <= report.SOON), default=None)
    points = [p for i, p in enumerate(trace) if i in keep or i in (first, soon)]
    return [tuple(float(f"{v:.7g}") for v in p) for p in points]


def _gap(point: tuple[float, float, float]) -> float:
    _, cost, bound = point
    if not (np.isfinite(cost) and abs(cost) < 1e19 and np.isfinite(bound)):
        return np.inf
    return (cost - bound) / max(abs(cost), 1e-9)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.12g}") if np.isfinite(value) and abs(value) < 1e19 else None
    return value


def load(path: Path) -> list[dict[str, Any]]:
    """Rows of a results file, the last one for every instance and method."""
    rows = study.latest(read_json_lines(path), "instance", "method")
    unknown = {"cost": np.inf, "claimed": np.inf, "gap": np.inf}
    return [
        {
            "infeasible": False,
            "refused": False,
            **row,
            **{k: v for k, v in unknown.items() if row[k] is None},
        }
        for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
