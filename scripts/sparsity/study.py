"""Scoreboard: prediction error against number of ReLUs, for all methods and tasks; resumable.

    python -m scripts.sparsity.study --tasks rope --seeds 0 --budget-seconds 900
    python -m scripts.sparsity.study --report-only

All methods have the same data, the same optimiser and rate and, at every number of ReLUs, the same
number of gradient steps in all; `progressive`, whose own network has fewer ReLUs to lose, takes
fewer (see `sparsity_methods`). One row goes to the results file for every task, method, number of
ReLUs and seed as soon as it is there; rows of another schedule or rate do not count as done and
are left out of the report. Seeds vary the training, not the data.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from scripts.sparsity import report, tasks
from scripts.sparsity.methods import METHODS, Schedule
from scripts.sparsity.tasks import TASKS, Setting
from scripts.study import RESULTS, RUNS
from sparsectl.errors import ConfigError, TrainingDiverged
from sparsectl.files import append_line, read_json_lines
from sparsectl.sparsify.baselines import Member

COUNTS = (48, 24, 12)
LEVELS = ("dense", "dense_long")
"""The model that methods start from, and one with as many steps as the last number of ReLUs."""
Row = dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then report."""
    options = _parse(argv)
    torch.set_num_threads(1)
    if not options.report_only:
        try:
            _run(options)
        except _Spent:
            print("budget spent; start again to go on", file=sys.stderr)
    rows = _rows(options)
    if not any(r["method"] in METHODS for r in rows):
        print(f"no rows of this schedule in {options.out}", file=sys.stderr)
        return 1
    report.write(rows, options.out.with_suffix(""))
    print(options.out.with_suffix(".md"), file=sys.stderr)
    return 0


class _Spent(Exception):
    """No time left."""


def _run(options: argparse.Namespace) -> None:
    started = time.perf_counter()

    def check() -> None:
        spent = time.perf_counter() - started
        if options.budget_seconds is not None and spent > options.budget_seconds:
            raise _Spent

    for seed in options.seeds:
        for name in options.tasks:
            wanted = {m: _missing(options, name, m, seed) for m in (*LEVELS, *METHODS)}
            wanted = {m: counts for m, counts in wanted.items() if counts}
            if wanted and (set(wanted) & {*options.methods, *LEVELS}):
                check()
                s = tasks.setting(name, tuple(options.hidden), options.cache, options.rate)
                _one_task(options, s, seed, wanted, check)


def _one_task(
    options: argparse.Namespace,
    s: Setting,
    seed: int,
    wanted: dict[str, list[int]],
    check: Any,
) -> None:
    schedule = _schedule(options, s.name)
    start, _ = tasks.dense(s, seed, schedule.dense)
    if "dense" in wanted:
        _record(options, s, "dense", seed, start, start.cpu_seconds)
    if "dense_long" in wanted and options.dense_long:
        check()
        long, _ = tasks.dense(s, seed, schedule.total(schedule.counts[-1]))
        _record(options, s, "dense_long", seed, long, long.cpu_seconds)
    for method in options.methods:
        for counts in _batches(method, wanted.get(method, [])):
            check()
            before = 0.0 if METHODS[method].from_nothing else start.cpu_seconds
            try:
                for member in METHODS[method].members(s, start, schedule, counts, seed):
                    if member.count in counts:
                        _record(options, s, method, seed, member, member.cpu_seconds + before)
            except (TrainingDiverged, ConfigError) as error:
                print(f"{s.name} {method} {counts} seed {seed}: {error}", file=sys.stderr)


def _batches(method: str, counts: list[int]) -> Sequence[list[int]]:
    """What is run between two looks at the clock: paths whole, other methods one by one."""
    if not counts:
        return []
    return [counts] if METHODS[method].path else [[n] for n in counts]


def _record(
    options: argparse.Namespace, s: Setting, method: str, seed: int, member: Member, cpu: float
) -> None:
    row: Row = {
        "task": s.name,
        "method": method,
        "count": member.count,
        "seed": seed,
        "steps": member.steps,
        "rate": options.rate,
        "dense_steps": _schedule(options, s.name).dense,
        "dense": sum(options.hidden),
        "cpu_seconds": round(cpu, 2),
        "hidden": list(member.model.config.hidden),
        "transitions": s.episodes.transitions,
    }
    found = tasks.errors(s, member)
    row |= {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in found.items()}
    append_line(options.out, json.dumps(row))
    print(
        f"{s.name} {method} {member.count} seed {seed}: {row['error_10']:.3g} after 10 steps, "
        f"{cpu:.0f} CPU s", file=sys.stderr, flush=True,
    )  # fmt: skip


def _schedule(options: argparse.Namespace, task: str) -> Schedule:
    steps = options.dense_steps
    counts = tuple(sorted((n for n in options.schedule if n < sum(options.hidden)), reverse=True))
    start = sum(options.hidden)
    return Schedule(
        counts, steps, start, options.removal_steps, options.finetune_steps, options.rate
    )


def _expected(options: argparse.Namespace, task: str, method: str) -> dict[int, int]:
    """Steps that a row must have, by number of ReLUs."""
    schedule = _schedule(options, task)
    if method in LEVELS:
        last = schedule.dense if method == "dense" else schedule.total(schedule.counts[-1])
        return {sum(options.hidden): last}
    return {n: schedule.total(n) for n in schedule.counts if n in options.counts}


def _rows(options: argparse.Namespace) -> list[Row]:
    """Rows of the present schedule, the last one of every task, method, count and seed."""
    found: dict[tuple, Row] = {}
    expected: dict[tuple[str, str], dict[int, int]] = {}
    for row in read_json_lines(options.out):
        task, method = row["task"], row["method"]
        if task not in TASKS or method not in (*LEVELS, *METHODS):
            continue
        if (task, method) not in expected:
            expected[task, method] = _expected(options, task, method)
        same = expected[task, method].get(row["count"]) == row["steps"]
        same = same and row["rate"] == options.rate
        if same and row["dense"] == sum(options.hidden):
            found[task, method, row["count"], row["seed"]] = row
    return list(found.values())


def _missing(options: argparse.Namespace, task: str, method: str, seed: int) -> list[int]:
    done = {
        r["count"]
        for r in _rows(options)
        if (r["task"], r["method"], r["seed"]) == (task, method, seed)
    }
    return [n for n in _expected(options, task, method) if n not in done]


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    add("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    add("--counts", nargs="+", type=int, default=None, help="part of the schedule to run, report")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--schedule", nargs="+", type=int, default=list(COUNTS), help="numbers of ReLUs walked")
    add("--hidden", nargs="+", type=int, default=[64, 64], help="layers of the dense model")
    add("--dense-steps", type=int, default=3000, help="of the dense model")
    add("--rate", type=float, default=2e-2, help="peak learning rate of all methods")
    add("--removal-steps", type=int, default=100, help="progressive: after each removal")
    add("--finetune-steps", type=int, default=1500, help="progressive: at the end of each round")
    add("--no-dense-long", dest="dense_long", action="store_false")
    add("--budget-seconds", type=float, default=None, help="start nothing new after this long")
    add("--cache", type=Path, default=RUNS / "sparsity")
    add("--out", type=Path, default=RESULTS / "sparsity.jsonl")
    add("--report-only", action="store_true")
    options = parser.parse_args(argv)
    options.counts = options.counts or options.schedule
    unknown = sorted(set(options.counts) - set(options.schedule))
    if unknown:
        parser.error(f"counts {unknown} are not part of the schedule {options.schedule}")
    return options


if __name__ == "__main__":
    sys.exit(main())
