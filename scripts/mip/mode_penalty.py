"""What a penalty on switching ReLUs costs in error and saves in modes; resumable.

    python -m scripts.mip.mode_penalty --tasks rope cartpole --seeds 0 1

Families as those of `sparsity.py` (`progressive`, the same budgets), with `mode_penalty` at
several weights. Modes are activation patterns of a step that random plans meet from three
evaluation starts, the mean over starts and steps of the horizon; solve times are CPU seconds until
a gap of 1 % from each of these starts, at most `--limit`.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.mip import bench
from scripts.mip.instances import Instance
from scripts.sparsity import tasks
from scripts.sparsity.methods import Schedule
from scripts.study import RESULTS, RUNS, Row
from sparsectl import dynamics, environment, experiment, seeding
from sparsectl.cli.family import planning_facts
from sparsectl.dynamics.lower import programs
from sparsectl.sparsify import sparsify
from sparsectl.sparsify.baselines import Member

STARTS = 3
SCHEDULE = Schedule((48, 24, 12), 3000, 128, 100, 1500, 2e-2)
"""That of the scoreboard."""
DENSE, HIDDEN = (64, 64), (24, 24, 24)
"""Layers of the dense model and of the network that loses its ReLUs, as on the scoreboard."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "mode_penalty.jsonl"
    tasks: tuple[str, ...] = ("rope", "cartpole")
    penalties: tuple[float, ...] = (0.0, 0.03, 0.3)
    seeds: tuple[int, ...] = (0, 1)
    horizon: int = 3
    """Of the problems that are solved."""
    limit: float = 5.0
    """CPU seconds of a problem."""
    cache: Path = RUNS / "sparsity"


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    units = (
        {"task": task, "penalty": penalty, "seed": seed}
        for seed in options.seeds for task in options.tasks for penalty in options.penalties
    )  # fmt: skip
    rows = study.run(options, units, _rows)
    if rows:
        write(rows, options.out.with_suffix(".md"))
    return 0 if rows else 1


def _rows(unit: Row, options: Options) -> list[Row]:
    """One row a member; all of a family at once, so that a family is done or not."""
    penalty, seed = unit["penalty"], unit["seed"]
    s = tasks.setting(unit["task"], DENSE, options.cache, SCHEDULE.rate)
    start, _ = tasks.dense(s, seed, SCHEDULE.dense)
    config = dataclasses.replace(SCHEDULE.branching(seed, HIDDEN), mode_penalty=penalty)
    train = dataclasses.replace(s.experiment.train, seed=seed)
    folder = s.folder / f"modes-{penalty:g}-{seed}"
    found = sparsify(start.model, s.episodes, s.map, config, train, run_dir=folder, progress=False)
    measure, rows = planning_facts(s.experiment), []
    for member in found.members:
        if member.path is None:
            continue
        model: Any = dynamics.load(folder / member.path)[0]
        errors = tasks.errors(s, Member(model, member.relus, 0, 0.0))
        seconds = [_seconds(model, s, i, member.relus, options) for i in range(STARTS)]
        rows.append({
            "relus": member.relus, "error_10": float(f"{errors['error_10']:.4g}"),
            "modes_seen": measure(model)["modes_seen"], "seconds": seconds,
            "limit": options.limit, "horizon": options.horizon,
        })  # fmt: skip
    return rows


def _seconds(model: Any, s: tasks.Setting, i: int, relus: int, options: Options) -> float | None:
    """CPU seconds to a gap of 1 % from an evaluation start; None: not within the limit."""
    with environment.make(s.experiment.env.id, s.experiment.env.kwargs) as env:
        observation, _ = env.reset(seed=seeding.EVALUATION_SEED + i)
    problem = experiment.check(s.experiment).problem(np.asarray(observation), options.horizon)
    instance = Instance(s.name, programs(model).at(problem), problem, (), s.name, relus, i)
    found = bench.measure("ours", instance, options.limit, 1e-2, "cpu")
    return found["one_percent"]


def write(rows: list[Row], path: Path) -> None:
    """The page: a line for each task, number of ReLUs and penalty; means over seeds."""
    lines, cells = [], study.groups(rows, "task", "relus", "penalty")
    for (task, relus, penalty), own in sorted(
        cells.items(), key=lambda c: (c[0][0], -c[0][1], *c[0][2:])
    ):
        times, limit = [t for r in own for t in r["seconds"]], own[0]["limit"]
        median = float(np.median([limit if t is None else t for t in times]))
        cut, solved = "≥ " if median >= limit else "", sum(t is not None for t in times)
        lines.append(
            [
                task,
                relus,
                f"{penalty:g}",
                len(own),
                study.mean(r["error_10"] for r in own),
                study.mean(r["modes_seen"] for r in own),
                f"{cut}{median:.2g}",
                f"{solved} of {len(times)}",
            ]
        )
    heads = ["task", "ReLUs", "penalty", "seeds", "error", "modes a step", "seconds to 1 %"]
    study.page(
        path,
        "# A penalty on switching ReLUs",
        "Error after 10 steps (units of `sparsity.md`), modes met a step and CPU seconds to a gap "
        f"of 1 % at horizon {rows[0]['horizon']} (median over starts and seeds; ≥: most were not "
        "solved by then). Means over seeds, single values in brackets. Again: "
        "`python -m scripts.mip.mode_penalty`.",
        study.table([*heads, "solved"], lines),
    )


if __name__ == "__main__":
    sys.exit(main())
