"""What a penalty on switching ReLUs costs in error and saves in modes; resumable.

    python -m scripts.mip.mode_penalty --tasks rope cartpole --seeds 0 1

Families as those of `sparsity.py` (`progressive`, the same budgets), with `mode_penalty` at
several weights. Modes are activation patterns of a step that random plans meet from three
evaluation starts, the mean over starts and steps of the horizon; solve times are CPU seconds until
a gap of 1 % from each of these starts, at most `--limit`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.mip import bench
from scripts.mip.instances import Instance
from scripts.sparsity import tasks
from scripts.sparsity.methods import Schedule
from scripts.study import RESULTS, RUNS
from sparsectl import dynamics, environment, experiment, seeding
from sparsectl.cli.family import planning_facts
from sparsectl.dynamics.lower import programs
from sparsectl.files import append_line, read_json_lines, write_atomic
from sparsectl.sparsify import sparsify
from sparsectl.sparsify.baselines import Member

STARTS = 3
SCHEDULE = Schedule((48, 24, 12), 3000, 128, 100, 1500, 2e-2)
"""That of the scoreboard."""
DENSE, HIDDEN = (64, 64), (24, 24, 24)
"""Layers of the dense model and of the network that loses its ReLUs, as on the scoreboard."""
Row = dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--tasks", nargs="+", default=["rope", "cartpole"])
    add("--penalties", nargs="+", type=float, default=[0.0, 0.03, 0.3])
    add("--seeds", nargs="+", type=int, default=[0, 1])
    add("--horizon", type=int, default=3, help="of the problems that are solved")
    add("--limit", type=float, default=5.0, help="CPU seconds a problem")
    add("--cache", type=Path, default=RUNS / "sparsity")
    add("--out", type=Path, default=RESULTS / "mode_penalty.jsonl")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    done = {_key(r) for r in read_json_lines(options.out)}
    for seed in options.seeds:
        for task in options.tasks:
            for penalty in options.penalties:
                if (task, penalty, seed) not in done:
                    for row in _rows(task, penalty, seed, options):
                        append_line(options.out, json.dumps(row))
                        print(json.dumps(row), file=sys.stderr)
    rows = read_json_lines(options.out)
    if not rows:
        return 1
    write_atomic(options.out.with_suffix(".md"), table(rows))
    return 0


def _key(row: Row) -> tuple:
    return row["task"], row["penalty"], row["seed"]


def _rows(task: str, penalty: float, seed: int, options: argparse.Namespace) -> list[Row]:
    """One row a member; all of a family at once, so that a family is done or not."""
    s = tasks.setting(task, DENSE, options.cache, SCHEDULE.rate)
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
            "task": task, "penalty": penalty, "seed": seed, "relus": member.relus,
            "error_10": float(f"{errors['error_10']:.4g}"),
            "modes_seen": measure(model)["modes_seen"], "seconds": seconds,
            "limit": options.limit, "horizon": options.horizon,
        })  # fmt: skip
    return rows


def _seconds(
    model: Any, s: tasks.Setting, i: int, relus: int, options: argparse.Namespace
) -> float | None:
    """CPU seconds to a gap of 1 % from an evaluation start; None: not within the limit."""
    env = environment.make(s.experiment.env.id, s.experiment.env.kwargs)
    try:
        observation, _ = env.reset(seed=seeding.EVALUATION_SEED + i)
    finally:
        env.close()
    problem = experiment.check(s.experiment).problem(np.asarray(observation), options.horizon)
    instance = Instance(s.name, programs(model).at(problem), problem, (), s.name, relus, i)
    found = bench.measure("ours", instance, options.limit, 1e-2, "cpu")
    return found["one_percent"]


def table(rows: list[Row]) -> str:
    """Markdown: a line for each task, number of ReLUs and penalty; means over seeds."""
    lines = [
        "# A penalty on switching ReLUs", "",
        "Error after 10 steps (units of `sparsity.md`), modes met a step and CPU seconds to a gap",
        f"of 1 % at horizon {rows[0]['horizon']} (median over starts and seeds; ≥: most were not",
        "solved by then). Means over seeds, single values in brackets. Again: "
        "`python -m scripts.mip.mode_penalty`.", "",
        "| task | ReLUs | penalty | seeds | error | modes a step | seconds to 1 % | solved |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    cells = sorted({(r["task"], -r["relus"], r["penalty"]) for r in rows})
    for task, relus, penalty in cells:
        own = [r for r in rows if (r["task"], -r["relus"], r["penalty"]) == (task, relus, penalty)]
        times = [t for r in own for t in r["seconds"]]
        known = [own[0]["limit"] if t is None else t for t in times]
        median, solved = float(np.median(known)), sum(t is not None for t in times)
        cut = "≥ " if median >= own[0]["limit"] else ""
        lines.append(
            f"| {task} | {-relus} | {penalty:g} | {len(own)} | {_mean(own, 'error_10')} | "
            f"{_mean(own, 'modes_seen')} | {cut}{median:.2g} | {solved} of {len(times)} |"
        )
    return "\n".join(lines) + "\n"


def _mean(rows: list[Row], key: str) -> str:
    values = [r[key] for r in rows]
    single = ", ".join(f"{v:.3g}" for v in values)
    return f"{np.mean(values):.3g} ({single})" if len(values) > 1 else single


if __name__ == "__main__":
    sys.exit(main())
