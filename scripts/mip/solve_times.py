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

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scripts import study
from scripts.closed_loop import runs
from scripts.closed_loop.runs import Run
from scripts.mip import bench, solve_times_report
from scripts.mip.instances import Instance
from scripts.study import RESULTS, RUNS, Row
from sparsectl import control, dynamics, environment, experiment, seeding
from sparsectl.control import ControllerState
from sparsectl.dynamics.lower import programs
from sparsectl.errors import SparsectlError
from sparsectl.files import read_json, write_json

FINE = 1e-3
"""Gaps that solve times are told for."""
BETWEEN, PHASES = 3, 4
"""State i is that after BETWEEN * (i mod PHASES) steps of an episode of its own."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    """Which problems, and how long."""

    out: Path = RESULTS / "solve_times.jsonl"
    tasks: tuple[str, ...] = ("rope", "pusht_easy")
    """Configs: names or files."""
    counts: tuple[int, ...] | None = None
    """Members; default: all of the family."""
    dense: bool = True
    """The dense model too."""
    horizons: tuple[int, ...] = (1, 3, 5, 10)
    states: int = 6
    deadlines: tuple[float, ...] = (0.1, 0.5, 5.0)
    """Seconds."""
    limit: float = 20.0
    """The last deadline [s]."""
    clock: Literal["cpu", "wall"] = "cpu"
    runs: Path = RUNS


def main(argv: list[str] | None = None) -> int:
    """Solve what is missing, then report."""
    options = study.parse(Options, __doc__, argv)

    def done(unit: Row, row: Row) -> bool:
        """Solved, or cut at a limit at least as long."""
        known = {f"{d:g}" for d in options.deadlines if d < options.limit} <= row["gaps"].keys()
        enough = row["seconds_fine"] is not None or row["limit"] >= options.limit
        return known and enough and study.has(unit, row)

    try:
        rows = study.run(options, _units(options), _row, done=done)
    except SparsectlError as error:
        print(error, file=sys.stderr)
        return 2
    rows = [r for r in rows if r["clock"] == options.clock]
    models = {(r["task"], r["model"]): r["checkpoint"] for r in rows}
    rows = [r for r in rows if models[r["task"], r["model"]] == r["checkpoint"]]
    rows = study.latest(rows, "task", "model", "relus", "horizon", "state")
    if not rows:
        print(f"no rows in {options.out}", file=sys.stderr)
        return 1
    solve_times_report.write(rows, options.out)
    return 0


def _units(options: Options) -> Iterator[Row]:
    """States outermost, so that a run cut short is still a fair sample."""
    for run in _prepared(options.tasks, options.runs).values():
        models = {str(n): (n, run.member(n)) for n in runs.chosen(run, options.counts)}
        models |= {"dense": (run.relus, run.dense)} if options.dense else {}
        for state in range(options.states):
            for name, (relus, path) in models.items():
                weights = str(sorted(dynamics.load(path)[1]["sha256"].items()))
                for horizon in options.horizons:
                    yield {
                        "task": run.name, "model": name, "relus": relus, "horizon": horizon,
                        "state": state, "clock": options.clock,
                        "checkpoint": f"{seeding.integer(0, weights):x}"[:12],
                    }  # fmt: skip


@functools.cache
def _prepared(tasks: tuple[str, ...], folder: Path) -> dict[str, Run]:
    return {n: runs.prepared(c, folder) for n, c in runs.configured(tasks).items()}


def _row(unit: Row, options: Options) -> Row:
    run = _prepared(options.tasks, options.runs)[unit["task"]]
    name, horizon, relus = unit["model"], unit["horizon"], unit["relus"]
    model: Any = dynamics.load(run.dense if name == "dense" else run.member(relus))[0]
    observation = states(run, options.states)[unit["state"]]
    problem = experiment.check(run.experiment).problem(observation, horizon)
    label = f"{run.name} {name}x{horizon} s{unit['state']}"
    program = programs(model).at(problem)
    instance = Instance(label, program, problem, (), run.name, relus, unit["state"])
    facts = {} if name == "dense" else run.family[relus].facts
    size = {k: facts.get(k) for k in ("modes", "modes_complete", "directions")}
    return {"program": program.m, **size, "config_horizon": run.experiment.horizon,
            **solve(instance, options)}  # fmt: skip


def solve(instance: Instance, options: Options) -> Row:
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


if __name__ == "__main__":
    sys.exit(main())
