"""How often limits are violated without and with a shield, in simulation and under the model.

    python -m scripts.closed_loop.shield

Episodes are those from whose start a plan keeps all limits under the model, the same for every
controller: 60 steps, or until success. `without` are decisions without a certificate, which the
shield says. Under the model the model takes the simulator's place. All times, the budget of the
config too, are CPU seconds of one thread (`--clock wall`: of the clock).
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scripts import study
from scripts.mip.clock import count_cpu_seconds
from scripts.study import RESULTS, Row
from sparsectl import environment, experiment, seeding
from sparsectl.control.base import ControllerState
from sparsectl.dynamics.lower import programs
from sparsectl.evaluate import run_episode
from sparsectl.evaluate.log import EpisodeLog
from sparsectl.evaluate.player import Player, Setting, load_model, make_task
from sparsectl.experiment import Experiment, TrainedModel
from sparsectl.files import csv_text, write_atomic
from sparsectl.mip import anytime
from sparsectl.task.cost import Cost

HERE = Path(__file__).parent
SIMULATOR, MODEL = "simulation", "model"
_SECONDS = 3.0
"""For the question whether there is a plan from a start."""
_MOST = 200
"""Starts that are asked about."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "shield.jsonl"
    tasks: tuple[str, ...] = ("wallpole", "flyer")
    """Of the configs `shield_<task>.yaml` beside this file, or paths of other YAML files."""
    clock: Literal["cpu", "wall"] = "cpu"
    """What budgets and times count."""
    under_model: int = 2
    """Episodes that the shields also play under the model."""


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    if options.clock == "cpu":
        count_cpu_seconds()
    units: list[Row] = []
    for task in () if options.report_only else options.tasks:
        config, found = _config(task), _starts(task)
        for plant, count in ((SIMULATOR, len(found)), (MODEL, options.under_model)):
            units += [
                {"task": task, "plant": plant, "who": who, "episode": episode}
                for episode in found[:count] for who in config.controllers
                if plant == SIMULATOR or "of" in config.controllers[who]
            ]  # fmt: skip
    rows = study.run(options, units, play)
    told = [{k: v for k, v in r.items() if k != "seconds"} for r in rows]
    write_atomic(options.out.with_suffix(".csv"), csv_text(told))
    heads = ["task", "where", "controller", "episodes", "steps", "violated", "per 1000",
             "interventions", "needless", "without", "in time", "median [ms]",
             "success"]  # fmt: skip
    lines = [_line(*key, some) for key, some in study.groups(rows, "task", "plant", "who").items()]
    parts = ["# Shields", " ".join((__doc__ or "").split("\n\n")[2].split())]
    study.page(options.out.with_suffix(".md"), *parts, study.table(heads, lines, words=3))
    return 0


def play(unit: Row, options: Options) -> Row:
    """One episode of a controller."""
    player, controller = _built(unit["task"], unit["who"])
    episode, setting = unit["episode"], player.setting
    memory = seeding.integer(setting.seed, "controller", episode)
    if unit["plant"] == MODEL:
        row = _under_model(player, controller, episode, memory)
    else:
        row = run_episode(
            setting.env_id, setting.env_kwargs, controller, seeding.EVALUATION_SEED + episode,
            steps=setting.steps, until_success=setting.until_success, budget=setting.budget,
            controller_seed=memory,
        )  # fmt: skip
    shield = row.get("shield")
    counts = {} if shield is None else {
        "interventions": shield.get("intervened", 0), "needless": shield.get("needless", 0),
        "without": len(row["seconds"]) - shield.get("certified", 0),
    }  # fmt: skip
    return {
        "steps": row["steps"], "violated": sum(row["violated"].values()),
        "worst": row["worst_real_violation"], "late": row["deadline_misses"],
        "success": row["success"], **counts, "seconds": [round(s, 4) for s in row["seconds"]],
    }  # fmt: skip


def _under_model(player: Player, controller: Any, episode: int, memory: int) -> Row:
    """The episode with the model in place of the simulator."""
    setting, task = player.setting, controller.task
    program = programs(load_model(setting, task, player.checkpoint)[0])
    seen, state = _start(setting, episode), ControllerState(seed=memory)
    log = EpisodeLog(setting.budget)
    for step in range(environment.step_limit(setting.env_id, setting.env_kwargs, setting.steps)):
        plan, state = controller.decide(seen, state)
        log.decision(plan, plan.seconds)
        problem = task.problem(seen, 1, step=step, loose=True)
        x = program.at(problem)(np.concatenate([problem.x0, plan.actions[0]]))
        before, seen = seen, task.map.observation(x, seen)
        if setting.env_id.endswith("Flyer-v0"):
            seen[54:60] -= 1  # the door's times count from now
        log.rewards.append(0.0)
        log.hard.add(*task.visited(before, seen, step))
    return {**log.row("finished"), "success": None}


@functools.cache
def _config(task: str) -> Experiment:
    return experiment.load(HERE / f"shield_{task}.yaml" if "." not in task else task)


@functools.cache
def _built(task: str, who: str) -> tuple[Player, Any]:
    config = _config(task)
    assert isinstance(config.model, TrainedModel)
    setting = Setting(
        config.env.id, config.env.kwargs, config.task, config.horizon, config.evaluate.steps,
        config.evaluate.budget, config.seed, until_success=config.evaluate.until_success,
    )  # fmt: skip
    path = config.model.from_
    content = load_model(setting, make_task(setting), path)[1]
    player = Player(setting, "model", path, who, config.controllers[who], content)
    return player, player.build()


def _starts(task: str) -> list[int]:
    """Episodes from whose start a plan is known that keeps all limits, as many as are wanted."""
    config, found = _config(task), []
    player, controller = _built(task, next(iter(config.controllers)))
    program = programs(load_model(player.setting, controller.task, player.checkpoint)[0])
    for episode in range(config.evaluate.first_episode, config.evaluate.first_episode + _MOST):
        seen = _start(player.setting, episode)
        problem = controller.task.problem(seen, config.horizon)
        anything = dataclasses.replace(problem, cost=Cost(()))
        zero = np.zeros((config.horizon, problem.nu))
        solution = anytime.plan(
            program.at(anything), anything, lambda _, idle=zero: [idle],
            deadline=time.perf_counter() + _SECONDS,
        )  # fmt: skip
        found += [episode] * solution.status.has_plan
        if len(found) == config.evaluate.episodes:
            break
    return found


def _start(setting: Setting, episode: int) -> np.ndarray:
    with environment.make(setting.env_id, setting.env_kwargs) as env:
        return np.array(env.reset(seed=seeding.EVALUATION_SEED + episode)[0], dtype=np.float64)


def _line(task: str, plant: str, who: str, rows: list[Row]) -> list[Any]:
    steps, violated = (sum(r[name] for r in rows) for name in ("steps", "violated"))
    seconds = np.concatenate([r["seconds"] for r in rows])
    counts = [""] * 3
    if "without" in rows[0]:
        counts = [str(sum(r[n] for r in rows)) for n in ("interventions", "needless", "without")]
    solved = [r["success"] for r in rows if r["success"] is not None]
    return [
        task, plant, who, len(rows), steps, violated, f"{1000 * violated / steps:.1f}", *counts,
        f"{100 * (1 - sum(r['late'] for r in rows) / len(seconds)):.1f} %",
        f"{1000 * np.median(seconds):.1f}", f"{sum(solved)}/{len(solved)}" if solved else "",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
