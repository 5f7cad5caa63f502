"""Solve time and proven gap against number of ReLUs and horizon; resumable.

    python -m scripts.mip.solve_times --tasks rope pusht_easy --budget-seconds 3000
    python -m scripts.mip.solve_times --report-only

States are visited in closed loop by the gradient planner on the dense model, the same for all
members and horizons. Every problem is solved alone, in a process of its own on one thread, with
the deadlines `--deadlines` and then `--limit` until it is proved to 0.1 per cent: the gap after a
deadline is that of a planner that was given this deadline. Times are CPU seconds of that process,
so that other work on the machine changes little (`--clock wall` for an idle machine). Runs are
taken from `--runs` and made there where they are missing; rows that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.closed_loop import runs
from scripts.closed_loop.runs import Run
from scripts.mip import bench, solve_times_report
from scripts.mip.instances import Instance
from scripts.study import RESULTS, RUNS
from sparsectl import control, dynamics, environment, experiment, seeding
from sparsectl.control import ControllerState
from sparsectl.dynamics.lower import programs
from sparsectl.errors import SparsectlError
from sparsectl.files import append_line, read_json, read_json_lines, write_json

FINE = 1e-3
"""Gaps that solve times are told for."""
BETWEEN, PHASES = 3, 4
"""State i is that after BETWEEN * (i mod PHASES) steps of an episode of its own."""
Row = dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Solve what is missing, then report."""
    options = _parse(argv)
    torch.set_num_threads(1)
    try:
        configs = runs.configured(options.tasks)
    except SparsectlError as error:
        print(error, file=sys.stderr)
        return 2
    failed = [] if options.report_only else runs.each(configs, options, _solve_missing)
    rows = _present(options)
    if not rows:
        print(f"no rows in {options.out}", file=sys.stderr)
        return 1
    solve_times_report.write(rows, options.out)
    print(options.out.with_suffix(".md"), file=sys.stderr)
    return 1 if failed else 0


def _solve_missing(run: Run, options: argparse.Namespace, check: Callable[[], None]) -> None:
    for row in _rows(run, options):
        append_line(options.out, json.dumps(row))
        state = "solved" if row["seconds_fine"] is not None else f"gap {row['gap']}"
        print(f"{row['name']:32} {row['spent']:6.2f} s {state}", file=sys.stderr)
        check()


def _present(options: argparse.Namespace) -> list[Row]:
    """The last row of every problem, of the models as they were last."""
    rows = [r for r in read_json_lines(options.out) if r["clock"] == options.clock]
    models = {(r["task"], r["model"]): r["checkpoint"] for r in rows}
    current = [r for r in rows if models[r["task"], r["model"]] == r["checkpoint"]]
    return list({_key(r): r for r in current}.values())


def _rows(run: Run, options: argparse.Namespace) -> Iterator[Row]:
    """Rows that are missing: states outermost, so that a run cut short is still a fair sample."""
    stored = [r for r in read_json_lines(options.out) if _covers(r, options)]
    done = {_key(r) for r in stored}
    task = experiment.check(run.experiment)
    models = {str(n): run.member(n) for n in runs.chosen(run, options.counts)}
    models |= {"dense": run.dense} if options.dense else {}
    loaded = {name: dynamics.load(path) for name, path in models.items()}
    for i, observation in enumerate(states(run, options.states)):
        for name, (model, meta) in loaded.items():
            weights = str(sorted(meta["sha256"].items()))
            for horizon in options.horizons:
                relus = run.relus if name == "dense" else int(name)
                row = {
                    "task": run.name, "model": name, "relus": relus, "horizon": horizon,
                    "state": i, "clock": options.clock,
                    "checkpoint": f"{seeding.integer(0, weights):x}"[:12],
                }  # fmt: skip
                if _key(row) in done:
                    continue
                problem = task.problem(observation, horizon)
                label = f"{run.name} {name}x{horizon} s{i}"
                program = programs(model).at(problem)
                instance = Instance(label, program, problem, (), run.name, relus, i)
                facts = {} if name == "dense" else run.family[relus].facts
                size = {"program": program.m, "modes": facts.get("modes"),
                        "modes_complete": facts.get("modes_complete"),
                        "directions": facts.get("directions"),
                        "config_horizon": run.experiment.horizon}  # fmt: skip
                yield {**row, **size, **solve(instance, options)}


def solve(instance: Instance, options: argparse.Namespace) -> Row:
    """Solve one problem with rising deadlines until it is proved to 0.1 per cent.

    Returns:
        `gaps` by deadline; `seconds_coarse`, `seconds_fine`: until proved to 1 and 0.1 per cent,
        None where it was not; `limit`, `spent` [s], `binaries`, `load` and `message`.
    """
    found: Row = {"gaps": {}, "seconds_coarse": None, "seconds_fine": None, "spent": 0.0}
    deadlines = sorted({d for d in options.deadlines if d < options.limit} | {options.limit})
    last: Row = {}
    for deadline in deadlines:
        if found["seconds_fine"] is None:
            last = bench.measure("ours", instance, deadline, FINE, options.clock)
            found["spent"] = round(found["spent"] + last["wall"], 3)
            if found["seconds_coarse"] is None:
                found["seconds_coarse"] = last["one_percent"]
            if last["solved"]:
                found["seconds_fine"] = min(last[options.clock], deadline)
                found["seconds_coarse"] = min(
                    s for s in (found["seconds_coarse"], found["seconds_fine"]) if s is not None
                )
        found["gaps"][f"{deadline:g}"] = last["gap"]
    kept = ("gap", "binaries", "infeasible", "message", "load")
    return {"name": instance.name, "limit": options.limit, **found, **{k: last[k] for k in kept}}


def states(run: Run, count: int) -> list[np.ndarray]:
    """Observations visited in closed loop; kept with the run, so that they stay the same."""
    path = run.folder / "solve_times" / "states.json"
    stored = read_json(path) if path.is_file() else []
    config, task = run.experiment, experiment.check(run.experiment)
    if len(stored) < count:
        model: Any = dynamics.load(run.dense)[0]
        planner = control.build(
            "gradient", {"rounds": 1}, task, model, programs(model), config.horizon, "cpu"
        )
        env = environment.make(config.env.id, config.env.kwargs)
        try:
            for i in range(len(stored), count):
                stored.append(_visit(env, planner, i).tolist())
        finally:
            env.close()
        write_json(path, stored)
    return [np.asarray(o, dtype=np.float64) for o in stored[:count]]


def _visit(env: Any, planner: Any, i: int) -> np.ndarray:
    observation, _ = env.reset(seed=seeding.EVALUATION_SEED + i)
    memory = ControllerState(seed=i)
    for _ in range(BETWEEN * (i % PHASES)):
        plan, after = planner.decide(observation, memory)
        following, _, terminated, truncated, _ = env.step(planner.first_action(plan))
        if terminated or truncated:
            break
        observation, memory = following, after
    return np.asarray(observation, dtype=np.float64)


def _key(row: Row) -> tuple:
    names = ("task", "model", "relus", "horizon", "state", "clock", "checkpoint")
    return tuple(row[k] for k in names)


def _covers(row: Row, options: argparse.Namespace) -> bool:
    """Whether it need not be run again: solved, or cut at a limit at least as long."""
    known = {f"{d:g}" for d in options.deadlines if d < options.limit} <= row["gaps"].keys()
    return known and (row["seconds_fine"] is not None or row["limit"] >= options.limit)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--tasks", nargs="+", default=["rope", "pusht_easy"], help="configs: names or files")
    add("--counts", nargs="+", type=int, default=None, help="members; default: all of the family")
    add("--no-dense", dest="dense", action="store_false", help="leave out the dense model")
    add("--horizons", nargs="+", type=int, default=[1, 3, 5, 10])
    add("--states", type=int, default=6)
    add("--deadlines", nargs="+", type=float, default=[0.1, 0.5, 5.0], help="[s]")
    add("--limit", type=float, default=20.0, help="the last deadline [s]")
    add("--clock", choices=("cpu", "wall"), default="cpu")
    add("--budget-seconds", type=float, default=None, help="start nothing new after this long")
    add("--runs", type=Path, default=RUNS)
    add("--out", type=Path, default=RESULTS / "solve_times.jsonl")
    add("--report-only", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
