"""Map of the starts from which WallPole can be kept within its limits, certified on both sides.

Every start of a grid is decided exactly under a model: `recoverable` with a plan that keeps all
limits and ends in the terminal set, `lost` where it is proved that no plan keeps the limits,
`outside` where it is proved only that none also ends in the terminal set, or `undecided`. Then the
simulator is asked: recoverable starts are played in closed loop, and for the others, and where
that fails, a plan is looked for by the cross-entropy method with the simulator itself as the model.
It agrees where there is one exactly for recoverable starts.

python -m scripts.closed_loop.wallpole_map --relus 8
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.closed_loop import wallpole_paper
from scripts.closed_loop.runs import configured, prepared
from scripts.closed_loop.wallpole_figure import draw
from scripts.study import RESULTS, RUNS, Row
from sparsectl import control, dynamics, experiment, seeding
from sparsectl.dynamics.lower import lower
from sparsectl.envs.wallpole.env import LIMITS, WallPoleEnv
from sparsectl.files import csv_text, write_atomic
from sparsectl.mip import Limits, Solution, solve
from sparsectl.program import ReluProgram
from sparsectl.task import Task
from sparsectl.task.cost import Cost
from sparsectl.types import Status

GRID = 21
PLACE = (0.4, 0.0)
"""Cart's position [m] and velocity [m/s] of every start; angle and spin are the map's axes."""
TOLERANCE = 0.01
"""A limit counts as kept in the simulator up to this share of it."""
STEPS = 60
"""Of an episode in closed loop."""
_HOLD = 3
"""Steps of a plan that are executed before the next one is made."""
_ROUNDS, _PLANS, _ELITES = 5, 24, 5
"""Of the search for a plan in the simulator."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "wallpole_map.jsonl"
    runs: Path = RUNS
    relus: int = 0
    """Of the sparse model that decides; 0: the model on paper (see `wallpole_paper`)."""
    horizon: int = 30
    seconds: float = 60.0
    """For each of the two questions about a start, at most."""
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
    # in random order, so that a run cut short is a fair sample
    order = np.random.default_rng(0).permutation(len(units))[: options.simulated]
    verdicts = {_place(r): r["verdict"] for r in rows if "verdict" in r}
    asked = [{**units[i], "asked": verdicts[_place(units[i])]} for i in order
             if _place(units[i]) in verdicts]  # fmt: skip
    rows = _merged(study.run(options, asked, simulate))
    write_atomic(options.out.with_suffix(".csv"), csv_text(rows))
    draw(options.out.with_suffix(".png"), rows, PLACE[0])
    heads = ["model", "steps", "decided", "recoverable", "lost", "outside", "median", "most",
             "closed loop", "agrees: recoverable", "lost", "outside"]  # fmt: skip
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
    kind, plan = verdict(model.program, model.task, start, options.horizon, options.seconds)
    return {
        "verdict": kind, "certificate": plan.certificate, "nodes": plan.nodes,
        "binaries": plan.binaries, "cpu_s": round(time.process_time() - began, 3),
    }  # fmt: skip


def simulate(unit: Row, options: Options) -> Row:
    """What the simulator says of one start."""
    model = _model(options.relus, options.horizon, options.runs)
    row: Row = {}
    if unit["asked"] == "recoverable":
        row = played(model, _start(unit))
    if not row.get("works"):
        row |= searched(model.task, _start(unit), options.horizon)
    agrees = (unit["asked"] == "recoverable") == bool(row.get("works") or row.get("found"))
    return {**row, "agrees": agrees}


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
    program: ReluProgram, task: Task, start: np.ndarray, horizon: int, seconds: float | None = None
) -> tuple[str, Solution]:
    """What is proved about a start under a model, and the answer that proves it.

    Args:
        program: of the model.
        task: its constraints are asked for, its cost is not.
        start: observation. Shape (4,).
        horizon: planned steps.
        seconds: for each of two questions, at most.
    """
    first = _asked(program, task, start, horizon, seconds)
    if first.status.has_plan:
        return "recoverable", first
    if first.status is not Status.INFEASIBLE:
        return "undecided", first
    second = _asked(program, without_end(task), start, horizon, seconds)
    return ("lost", second) if second.status is Status.INFEASIBLE else ("outside", first)


def _asked(
    program: ReluProgram, task: Task, start: np.ndarray, horizon: int, seconds: float | None
) -> Solution:
    problem = dataclasses.replace(task.problem(start, horizon), cost=Cost(()))
    return solve(program, problem, limits=Limits(seconds=seconds))


def without_end(task: Task) -> Task:
    """The task without its terminal constraints."""
    boxes = [b for b in task.config.constraints.boxes if b.when != "terminal"]
    limits = dataclasses.replace(task.config.constraints, boxes=boxes)
    config = dataclasses.replace(task.config, constraints=limits)
    return Task(config, task.map.observation_size, task.u_low, task.u_high)


@dataclass(frozen=True)
class Model:
    """What decides and plays."""

    program: ReluProgram
    task: Task
    controller: control.Controller


@functools.cache
def _model(relus: int, horizon: int, runs: Path) -> Model:
    config = configured(["wallpole"])["wallpole"]
    task = experiment.check(config)
    net: Any = None
    if relus:
        net = dynamics.load(prepared(config, runs).member(relus))[0]
    program = lower(net) if relus else wallpole_paper.program()
    # limits on nodes, not on time, so that episodes repeat on any machine
    settings = {"kind": "mip", "backend": "scip", "seconds": None, "nodes": 200, "starts": [],
                "polish": 1, "explore": 0}  # fmt: skip
    mip = control.build("mip", settings, task, net, program, horizon)
    return Model(program, task, mip)


def played(model: Model, start: np.ndarray) -> Row:
    """Closed loop in the simulator until the state is in the terminal set."""
    env, state, step, excess = WallPoleEnv(), None, 0, 0.0
    seen = env.set_state(start)
    while not (there := inside(model.task, seen)) and step < STEPS and excess <= TOLERANCE:
        if step % _HOLD == 0:
            plan, state = model.controller.decide(seen, state)
        seen = env.step(plan.actions[step % _HOLD])[0]
        excess = max(excess, float((abs(seen) / LIMITS - 1.0).max()))
        step += 1
    return {"works": bool(there and excess <= TOLERANCE), "steps": step, "excess": round(excess, 5)}


def searched(task: Task, start: np.ndarray, horizon: int) -> Row:
    """Whether a search with the simulator itself finds a plan, limits kept to the last digit."""
    env, rng = WallPoleEnv(), seeding.generator(0, "wallpole_map", *map(repr, start.tolist()))
    mean, spread, best = np.zeros(horizon), np.ones(horizon), -np.inf
    for _ in range(_ROUNDS):
        plans = np.clip(mean + spread * rng.standard_normal((_PLANS, horizon)), -1.0, 1.0)
        # half of them in long strokes: what saves a pole is seldom white noise
        plans[::2] = np.repeat(plans[::2, ::3], 3, axis=1)[:, :horizon]
        scores = np.array([_score(env, task, start, plan) for plan in plans])
        best = max(best, float(scores.max()))
        if best >= horizon:
            break
        elite = plans[np.argsort(scores)[-_ELITES:]]
        mean, spread = elite.mean(axis=0), elite.std(axis=0) + 0.05
    return {"found": bool(best >= horizon), "score": round(best, 3)}


def _score(env: WallPoleEnv, task: Task, start: np.ndarray, plan: np.ndarray) -> float:
    """Steps that keep the limits; all of them only where the terminal set is met on the way."""
    seen, nearest = env.set_state(start), np.inf
    for t, action in enumerate(plan):
        seen = env.step(np.array([action]))[0]
        excess = (abs(seen) / LIMITS - 1.0).max()
        if excess > 0:
            return t - float(np.tanh(excess))
        nearest = min(nearest, float(_beyond(task, seen)))
        if nearest <= 0:
            return float(len(plan))
    return len(plan) - float(np.tanh(nearest))


def inside(task: Task, state: np.ndarray) -> bool:
    """Whether a state is in the terminal set."""
    return _beyond(task, state) <= 0


def _beyond(task: Task, state: np.ndarray) -> float:
    """Largest excess of a constraint that holds at the end."""
    rows, sides = _end(task)
    return float((rows @ state - sides).max())


@functools.cache
def _end(task: Task) -> tuple[np.ndarray, np.ndarray]:
    limits = task.problem(np.zeros(task.map.observation_size), 1).constraints
    return limits.G, limits.sides(1)[0]


def _line(relus: int, horizon: int, rows: list[Row]) -> list[Any]:
    kinds = {k: [r for r in rows if r["verdict"] == k] for k in ("recoverable", "lost", "outside")}
    decided = sum(map(len, kinds.values()))
    cpu = [r["cpu_s"] for r in rows]
    works = [r["works"] for r in rows if "works" in r]
    asked = [[r["agrees"] for r in some if "agrees" in r] for some in kinds.values()]
    return [
        f"{relus} ReLUs" if relus else "on paper", horizon, f"{decided} of {len(rows)}",
        *(len(some) for some in kinds.values()), f"{np.median(cpu):.3f} s", f"{max(cpu):.2f} s",
        *(f"{sum(some)} of {len(some)}" if some else "" for some in (works, *asked)),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
