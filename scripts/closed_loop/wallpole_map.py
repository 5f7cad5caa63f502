"""Map of the starts from which WallPole can be kept within its limits, certified on both sides.

Every start of a grid is decided exactly under a model: `recoverable` with a plan that keeps all
limits and ends in the terminal set, `lost` where it is proved that no plan keeps the limits,
`outside` where it is proved only that none also ends in the terminal set, or `undecided`. Then the
simulator is asked whether there is a plan that keeps all limits there, none exceeded by anything,
reaches the terminal set, and goes on for 60 steps with the linear feedback. For a recoverable start
it is the model's plan: as it is (`open loop`), with a linear feedback along it (`feedback`), or
`corrected` by successive linear programs with the simulator; each is a list of actions that does
it when applied. For the others, and where that fails, these programs `search` from four guesses
that need no model. A recoverable start is decided only where a plan is confirmed. The simulator
agrees with a verdict where there is such a plan exactly for recoverable starts.

python -m scripts.closed_loop.wallpole_map --relus 8
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.closed_loop import wallpole_paper
from scripts.closed_loop.runs import configured, prepared
from scripts.closed_loop.wallpole_figure import KINDS, draw
from scripts.closed_loop.wallpole_search import Target, confirmed, found, simulator
from scripts.study import RESULTS, RUNS, Row
from sparsectl import dynamics, experiment
from sparsectl.dynamics.lower import lower
from sparsectl.envs.wallpole.env import LIMITS
from sparsectl.files import csv_text, read_json_lines, write_atomic
from sparsectl.mip import Limits, Solution, solve
from sparsectl.program import ReluProgram
from sparsectl.task import Task
from sparsectl.task.cost import Cost
from sparsectl.types import Status

CONFIRMED = ("open loop", "feedback", "corrected", "search")
"""How a plan came that the simulator confirms, see `wallpole_search.confirmed`."""
GRID = 21
PLACE = (0.4, 0.0)
"""Cart's position [m] and velocity [m/s] of every start; angle and spin are the map's axes."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "wallpole_map.jsonl"
    runs: Path = RUNS
    relus: int = 0
    """Of the sparse model that decides; 0: the model on paper (see `wallpole_paper`)."""
    horizon: int = 30
    seconds: float = 60.0
    """For each of the two questions about a start, at most."""
    guess: bool = False
    """Look for a plan that keeps the limits first, then by linear programs under the model for
    one to start the solver from: with many binaries solvers prove, but find little."""
    simulated: int = 0
    """Starts that the simulator is asked about too, drawn at random; 441: all."""


def main(argv: list[str] | None = None) -> int:
    """Decide what is missing, then write table and figure."""
    options = study.parse(Options, __doc__, argv)
    ticks = np.linspace(-1.0, 1.0, GRID)
    units = [
        {"relus": options.relus, "horizon": options.horizon, "angle": a, "spin": s}
        for s in np.round(ticks * LIMITS[3], 12) for a in np.round(ticks * LIMITS[1], 12)
    ]  # fmt: skip
    rows = study.run(options, units, decide)
    # in random order, so that a run cut short is a fair sample of each kind
    order = np.random.default_rng(0).permutation(len(units))[: options.simulated]
    verdicts = {_place(r): r["verdict"] for r in rows if "verdict" in r}
    asked = [{**units[i], "asked": verdicts[_place(units[i])]} for i in order
             if _place(units[i]) in verdicts]  # fmt: skip
    asked.sort(key=lambda unit: unit["asked"] != "recoverable")  # only these need an answer
    rows = _merged(study.run(options, asked, simulate))
    told = [{k: v for k, v in row.items() if k != "plan"} for row in rows]
    write_atomic(options.out.with_suffix(".csv"), csv_text(told))
    draw(options.out.with_suffix(".png"), rows, PLACE[0])
    heads = ["model", "steps", *KINDS, "median", "most", "confirmed", *CONFIRMED,
             *(f"agrees: {kind}" for kind in ("lost", "outside")), "decided"]  # fmt: skip
    maps = study.groups(rows, "relus", "horizon").items()
    lines = [_line(*key, some) for key, some in maps]
    parts = ["# Recoverable starts of WallPole", (__doc__ or "").split("\n\n")[1]]
    study.page(options.out.with_suffix(".md"), *parts, study.table(heads, lines))
    return 0


def decide(unit: Row, options: Options) -> Row:
    """Verdict on one start."""
    model = _model(options.relus, options.horizon, options.runs)
    start = _start(unit)
    began = time.process_time()
    questions = (model.program, model.task, start, options.horizon, options.seconds)
    kind, plan = verdict(*questions, guess=options.guess)
    return {
        "plan": plan.actions[:, 0].tolist() if kind == "recoverable" else None,
        "verdict": kind, "certificate": plan.certificate, "nodes": plan.nodes,
        "binaries": plan.binaries, "cpu_s": round(time.process_time() - began, 3),
    }  # fmt: skip


def simulate(unit: Row, options: Options) -> Row:
    """What the simulator says of one start."""
    model, start = _model(options.relus, options.horizon, options.runs), _start(unit)
    plan = None
    if unit["asked"] == "recoverable":
        known = next(r["plan"] for r in read_json_lines(options.out)
                     if "verdict" in r and _place(r) == _place(unit))  # fmt: skip
        plan = np.array(known), model.program.rollout(start, np.array(known)[:, None])
    kept = confirmed(simulator(), start, target(model.task), plan, options.horizon)
    how, steps = (None, None) if kept is None else (kept[0], len(kept[1]))
    agrees = (kept is not None) == (unit["asked"] == "recoverable")
    return {"confirmed": how, "steps": steps, "agrees": agrees}


def _start(unit: Row) -> np.ndarray:
    return np.array([PLACE[0], unit["angle"], PLACE[1], unit["spin"]])


def _place(row: Row) -> tuple:
    return tuple(row[name] for name in ("relus", "horizon", "angle", "spin"))


def _merged(rows: list[Row]) -> list[Row]:
    """One row a start: the verdict, and the simulator's answer where it was asked."""
    found: dict[tuple, Row] = {}
    for row in rows:
        found.setdefault(_place(row), {}).update(row)
    return [row for row in found.values() if "verdict" in row]


def verdict(
    program: ReluProgram,
    task: Task,
    start: np.ndarray,
    horizon: int,
    seconds: float | None = None,
    *,
    guess: bool = False,
) -> tuple[str, Solution]:
    """What is proved about a start under a model, and the answer that proves it.

    Args:
        task: its constraints are asked for, its cost is not.
        start: observation. Shape (4,).
        seconds: for each of two questions, at most.
        guess: see `Options`.
    """
    if guess:
        free = _asked(program, task.without_end(), start, horizon, seconds)
        if free.status is Status.INFEASIBLE:
            return "lost", free
        model = lambda x, u: program(np.append(x, u))  # noqa: E731
        plan = found(model, start, target(task), horizon)
        starts = [] if plan is None else [plan[:, None]]
        first = _asked(program, task, start, horizon, seconds, starts)
        if first.status.has_plan:
            return "recoverable", first
        proved = first.status is Status.INFEASIBLE and free.status.has_plan
        return "outside" if proved else "undecided", first
    first = _asked(program, task, start, horizon, seconds)
    if first.status.has_plan:
        return "recoverable", first
    if first.status is not Status.INFEASIBLE:
        return "undecided", first
    second = _asked(program, task.without_end(), start, horizon, seconds)
    return ("lost", second) if second.status is Status.INFEASIBLE else ("outside", first)


def _asked(
    program: ReluProgram,
    task: Task,
    start: np.ndarray,
    horizon: int,
    seconds: float | None,
    starts: Sequence[np.ndarray] = (),
) -> Solution:
    problem = dataclasses.replace(task.problem(start, horizon), cost=Cost(()))
    return solve(program, problem, limits=Limits(seconds=seconds), starts=starts)


@dataclass(frozen=True)
class Model:
    """What decides."""

    program: ReluProgram
    task: Task


@functools.cache
def _model(relus: int, horizon: int, runs: Path) -> Model:
    config = configured(["wallpole"])["wallpole"]
    task = experiment.check(config)
    net: Any = None
    if relus:
        net = dynamics.load(prepared(config, runs).member(relus))[0]
    program = lower(net) if relus else wallpole_paper.program()
    return Model(program, task)


@functools.cache
def target(task: Task) -> Target:
    """What motions in the simulator must keep: limits, and the terminal set once."""
    limits = task.problem(np.zeros(task.map.observation_size), 1).constraints
    return Target(limits.G, limits.sides(1)[0])


def _line(relus: int, horizon: int, rows: list[Row]) -> list[Any]:
    kinds = {k: [r for r in rows if r["verdict"] == k] for k in KINDS}
    cpu = [r["cpu_s"] for r in rows]
    kept, lost, outside = (
        [r for r in kinds[k] if "agrees" in r] for k in ("recoverable", "lost", "outside")
    )
    hows = [sum(r["confirmed"] == how for r in kept) for how in CONFIRMED]
    proved = len(kinds["lost"]) + len(kinds["outside"])
    decided = sum(r["agrees"] for r in kept) + proved
    return [
        f"{relus} ReLUs" if relus else "on paper", horizon, *(len(some) for some in kinds.values()),
        f"{np.median(cpu):.3f} s", f"{max(cpu):.2f} s", _of(kept), *(hows if kept else [""] * 4),
        _of(lost), _of(outside), f"{decided} of {len(rows)}" if kept else "",
    ]  # fmt: skip


def _of(asked: list[Row]) -> str:
    """In how many of the starts the simulator agrees."""
    return f"{sum(r['agrees'] for r in asked)} of {len(asked)}" if asked else ""


if __name__ == "__main__":
    sys.exit(main())
