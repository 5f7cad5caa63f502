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
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scripts import study
from scripts.closed_loop import runs
from scripts.closed_loop.runs import Run
from scripts.mip import bench
from scripts.mip.instances import Instance
from scripts.study import RESULTS, RUNS, Row
from sparsectl import control, dynamics, environment, experiment, seeding
from sparsectl.control import ControllerState
from sparsectl.dynamics.lower import programs
from sparsectl.errors import SparsectlError
from sparsectl.files import csv_text, write_atomic, write_json
from sparsectl.report import text

TIMES = {"seconds_coarse": "1 %", "seconds_fine": "0.1 %"}
FINE = 1e-3
"""Gaps that solve times are told for."""
BETWEEN, PHASES = 3, 4
"""State i is that after BETWEEN * (i mod PHASES) steps of an episode of its own."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
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
    write(rows, options.out)
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
    stored = json.loads(path.read_text()) if path.is_file() else []
    config, task = run.experiment, experiment.check(run.experiment)
    if len(stored) < count:
        model: Any = dynamics.load(run.dense)[0]
        planner = control.build(
            "gradient", {"rounds": 1}, task, model, programs(model), config.horizon, "cpu"
        )
        with environment.make(config.env.id, config.env.kwargs) as env:
            for i in range(len(stored), count):
                stored.append(_visit(env, planner, i).tolist())
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


def write(rows: list[Row], path: Path) -> None:
    """Write table and page beside the rows."""
    lines = table(rows)
    shown = [{k: f"{v:.4g}" if isinstance(v, float) else v for k, v in r.items()} for r in lines]
    write_atomic(path.with_suffix(".csv"), csv_text(shown))
    study.page(path.with_suffix(".md"), *markdown(lines, rows))


def table(rows: list[Row]) -> list[Row]:
    """One line per task, model and horizon; times and gaps are medians over the states.

    A problem that was not solved counts as infinitely long, an unknown gap as infinite: a median
    of infinity means that at most half of the problems were solved within the limit.
    """
    groups = study.groups(rows, "task", "relus", "model", "horizon")
    lines = []
    for (task, relus, model, horizon), group in sorted(groups.items()):
        line: Row = {"task": task, "model": model, "relus": relus, "horizon": horizon}
        line |= {k: _median(group, k) for k in ("program", "binaries")}
        line |= {k: group[-1][k] for k in ("directions", "modes", "modes_complete")}
        line |= {"config_horizon": group[-1]["config_horizon"], "states": len(group)}
        line |= {"limit": min(r["limit"] for r in group)}
        for name in TIMES:
            solved = [r[name] for r in group if r[name] is not None]
            line[f"solved_{name[8:]}"] = len(solved)
            line[name] = _median(group, name, np.inf)
            line[f"{name}_max"] = max(solved) if len(solved) == len(group) else np.inf
        for deadline in _deadlines(rows):
            gaps = [_infinite(r["gaps"].get(deadline), r) for r in group]
            line[f"gap_{deadline}"] = float(np.median(gaps))
        lines.append(line)
    return lines


def _infinite(gap: float | None, row: Row) -> float:
    if gap is None:
        return 0.0 if row["infeasible"] else np.inf
    return gap


def _median(group: list[Row], name: str, missing: float = 0.0) -> float:
    """The upper median: a solved and an unsolved problem have that of the unsolved one."""
    values = [missing if r[name] is None else r[name] for r in group]
    return float(np.quantile(values, 0.5, method="higher"))


def _deadlines(rows: list[Row]) -> list[str]:
    """Deadlines that every row has, shortest first."""
    shared = set.intersection(*(set(r["gaps"]) for r in rows))
    return sorted(shared, key=float)


def markdown(lines: list[Row], rows: list[Row]) -> list[str | list[str]]:
    """Parts of the page."""
    deadlines = _deadlines(rows)
    loads = [r["load"] for r in rows if r.get("load") is not None]
    clock = "CPU" if rows[0]["clock"] == "cpu" else "wall-clock"
    load = f" Load average of the machine: up to {max(loads):.1f}." if loads else ""
    parts: list[str | list[str]] = [
        "# Solve time and proven gap",
        "Medians over states visited in closed loop; every problem solved alone on one thread with "
        f"rising deadlines until proved. Times are {clock} seconds of a planner without its "
        "imports; `> limit`: at most half of the problems were proved in the time; solved: "
        "problems proved to 1 % / to 0.1 %. Gap: relative, as proved by a planner that was given "
        "the deadline. Modes: activation patterns reached from the first evaluation start, "
        "summed over the horizon of the task's config (its `family.csv`; ≥: not all were found). "
        "Binaries: neurons that may be on or off, over the horizon. "
        f"Again: `python -m scripts.mip.solve_times --report-only`.{load}",
    ]
    heads = ["ReLUs", "modes", "H", "binaries", "to 1 % [s]", "to 0.1 % [s]", "solved"]
    heads += [f"gap after {d} s" for d in deadlines]
    for (task,), mine in study.groups(lines, "task").items():
        cells = [
            [f"{r['relus']}{' (dense)' if r['model'] == 'dense' else ''}", modes(r), r["horizon"],
             f"{r['binaries']:.0f}", *(_seconds(r[name], r["limit"]) for name in TIMES),
             f"{r['solved_coarse']} / {r['solved_fine']} of {r['states']}",
             *(_gap(r[f"gap_{d}"]) for d in deadlines)]
            for r in mine
        ]  # fmt: skip
        title = f"## {task} (modes over {mine[0]['config_horizon']} steps)"
        parts += [title, study.table(heads, cells, words=0)]
    return parts


def modes(line: Row) -> str:
    """Reachable modes of the member, as its family says."""
    if line["modes"] is None:
        return text.DASH
    return f"{'' if line['modes_complete'] else '≥ '}{line['modes']:.0f}"


def _seconds(seconds: float, limit: float) -> str:
    return text.number(seconds, 2) if np.isfinite(seconds) else f"> {limit:g}"


def _gap(gap: float) -> str:
    if not np.isfinite(gap):
        return "none"
    return "< 0.1 %" if gap <= 1e-3 else text.percent(gap)


if __name__ == "__main__":
    sys.exit(main())
