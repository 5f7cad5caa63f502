"""Scoreboard: prediction error against number of ReLUs, for all methods and tasks; resumable.

    python -m scripts.sparsity.study --tasks rope --seeds 0 --budget-seconds 900
    python -m scripts.sparsity.study --report-only

All methods have the same data, the same optimiser and rate and, at every number of ReLUs, the same
number of gradient steps in all; `progressive`, whose own network has fewer ReLUs to lose, takes
fewer (see `methods.py`). One row goes to the results file for every task, method, number of
ReLUs and seed as soon as it is there; rows of another schedule or rate do not count as done and
are left out of the report. Seeds vary the training, not the data.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts import study
from scripts.sparsity import report, tasks
from scripts.sparsity.methods import METHODS, Schedule
from scripts.sparsity.tasks import TASKS
from scripts.study import RESULTS, RUNS, Row
from sparsectl.errors import ConfigError
from sparsectl.files import read_json_lines
from sparsectl.sparsify.baselines import Member

COUNTS = (48, 24, 12)
LEVELS = ("dense", "dense_long")
"""The model that methods start from, and one with as many steps as the last number of ReLUs."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "sparsity.jsonl"
    tasks: tuple[Literal[tuple(TASKS)], ...] = tuple(TASKS)
    methods: tuple[Literal[tuple(METHODS)], ...] = tuple(METHODS)
    counts: tuple[int, ...] | None = None
    """Part of the schedule to run and report."""
    seeds: tuple[int, ...] = (0, 1, 2)
    schedule: tuple[int, ...] = COUNTS
    """Numbers of ReLUs walked."""
    hidden: tuple[int, ...] = (64, 64)
    """Layers of the dense model."""
    dense_steps: int = 3000
    """Of the dense model."""
    rate: float = 2e-2
    """Peak learning rate of all methods."""
    removal_steps: int = 100
    """Progressive: after each removal."""
    finetune_steps: int = 1500
    """Progressive: at the end of each round."""
    dense_long: bool = True
    """The dense model with as many steps as the sparsest too."""
    cache: Path = RUNS / "sparsity"

    @property
    def plan(self) -> Schedule:
        """The schedule of all tasks."""
        start = sum(self.hidden)
        counts = tuple(sorted((n for n in self.schedule if n < start), reverse=True))
        return Schedule(counts, self.dense_steps, start, self.removal_steps, self.finetune_steps,
                        self.rate)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then report."""
    options = study.parse(Options, __doc__, argv)
    unknown = sorted(set(options.counts or ()) - set(options.schedule))
    if unknown:
        raise ConfigError(f"counts {unknown} are not part of the schedule {options.schedule}")
    study.run(options, _units(options), _members, done=lambda unit, row: False)
    rows = _rows(options)
    if not any(r["method"] in METHODS for r in rows):
        print(f"no rows of this schedule in {options.out}", file=sys.stderr)
        return 1
    report.write(rows, options.out.with_suffix(""))
    return 0


def _units(options: Options) -> Iterator[Row]:
    """Counts that are missing: one unit a path, else one a count; the dense models first."""
    done = {(r["task"], r["method"], r["seed"], r["count"]) for r in _rows(options)}
    levels = LEVELS if options.dense_long else LEVELS[:1]
    for seed in options.seeds:
        for task in options.tasks:
            for method in (*levels, *options.methods):
                counts = [n for n in _expected(options, method)
                          if (task, method, seed, n) not in done]  # fmt: skip
                whole = method in METHODS and METHODS[method].path
                for some in [counts] if whole and counts else [[n] for n in counts]:
                    yield {"task": task, "method": method, "seed": seed, "count": some}


@functools.cache
def _setting(name: str, hidden: tuple[int, ...], cache: Path, rate: float) -> tasks.Setting:
    return tasks.setting(name, hidden, cache, rate)


def _members(unit: Row, options: Options) -> list[Row]:
    s = _setting(unit["task"], options.hidden, options.cache, options.rate)
    method, counts, seed, plan = unit["method"], unit["count"], unit["seed"], options.plan
    start, _ = tasks.dense(s, seed, plan.dense)
    if method in LEVELS:
        steps = plan.dense if method == "dense" else plan.total(plan.counts[-1])
        member, _ = tasks.dense(s, seed, steps)
        return [_row(options, s, member, member.cpu_seconds)]
    job = METHODS[method]
    before = 0.0 if job.from_nothing else start.cpu_seconds
    members = job.members(s, start, plan, counts, seed)
    return [_row(options, s, m, m.cpu_seconds + before) for m in members if m.count in counts]


def _row(options: Options, s: tasks.Setting, member: Member, cpu: float) -> Row:
    found = tasks.errors(s, member)
    return {
        "count": member.count, "steps": member.steps, "rate": options.rate,
        "dense_steps": options.dense_steps, "dense": sum(options.hidden),
        "cpu_seconds": round(cpu, 2), "hidden": list(member.model.config.hidden),
        "transitions": s.episodes.transitions,
        **{k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in found.items()},
    }  # fmt: skip


def _expected(options: Options, method: str) -> dict[int, int]:
    """Steps that a row must have, by number of ReLUs."""
    plan = options.plan
    if method in LEVELS:
        return {plan.start: plan.dense if method == "dense" else plan.total(plan.counts[-1])}
    return {n: plan.total(n) for n in plan.counts if n in (options.counts or plan.counts)}


def _rows(options: Options) -> list[Row]:
    """Rows of the present schedule, the last one of every task, method, count and seed."""
    same = {"rate": options.rate, "dense": sum(options.hidden)}
    expected = {m: _expected(options, m) for m in (*LEVELS, *METHODS)}
    rows = [
        r for r in read_json_lines(options.out)
        if r["task"] in TASKS and study.has(same, r)
        and expected.get(r["method"], {}).get(r["count"]) == r["steps"]
    ]  # fmt: skip
    return study.latest(rows, "task", "method", "count", "seed")


if __name__ == "__main__":
    sys.exit(main())
