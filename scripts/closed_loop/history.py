"""Speeds that are hidden: what earlier observations and actions give back.

python -m scripts.closed_loop.history

The swing-up cart-pole, its state in full or without speeds, with none, one or two earlier
observations and actions as part of the state. Writes history.csv: the error of learned models in
held-out episodes, and how far from upright MPPI keeps the pole on them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.closed_loop.delay import drive
from scripts.study import CONFIGS, RESULTS, RUNS, Row
from sparsectl import control, data, dynamics, environment
from sparsectl.config import from_dict, load_yaml
from sparsectl.dynamics.lower import lower
from sparsectl.files import csv_text, write_atomic
from sparsectl.task import Task, TaskConfig

SEEN = {"position": "0", "sine": "2", "cosine": "3"}
SPEEDS = {"velocity": "1", "spin": "4"}
STATES = ["full", "hidden", "1 earlier", "2 earlier"]
STEPS, TRANSITIONS = 100, 30_000


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RUNS / "history.jsonl"
    seeds: int = 3
    """Recordings and models."""
    episodes: int = 6
    """Of each model."""


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing and write the table."""
    options = study.parse(Options, __doc__, argv)
    units: list[Row] = [{"state": s, "seed": k} for s in STATES for k in range(options.seeds)]
    rows = study.run(options, units, measure)
    print(write_atomic(RESULTS / "history.csv", csv_text(rows)))
    return 0


def measure(unit: Row, options: Options) -> Row:
    """One model: its errors, and what is driven on it."""
    started, seed = time.process_time(), unit["seed"]
    env_id, kwargs, task = _task(unit["state"])
    episodes = data.collect(
        data.CollectConfig(TRANSITIONS, 50, "random"), env_id, kwargs, seed=seed
    )
    training, test = data.split(episodes, 0.1, seed)
    model = dynamics.build(
        dynamics.MLPConfig((32, 32)), task.map.names, task.nx, task.nu, seed=seed,
        copies=task.map.copies,
    )  # fmt: skip
    train = dynamics.TrainConfig(steps=6000, seed=seed)
    model = dynamics.train(model, training, task.map, train, progress=False).dynamics
    entry = {"samples": 256, "iterations": 5}
    planner = control.build("mppi", entry, task, model, lower(model), 8, "cpu")
    with environment.make(env_id, kwargs) as env:
        far = [drive(env, planner, 10**6 + e, STEPS)[1] for e in range(options.episodes)]
    return {
        **{f"tip_{h}_steps_mm": 1000 * _error(model, test, task, h) for h in (1, 8)},
        "tip_late_mm": 1000 * float(np.mean(far)),
        "cpu_seconds": time.process_time() - started,
    }  # fmt: skip


def _task(state: str) -> tuple[str, dict[str, Any], Task]:
    """The tip's distance alone is the cost: speeds are not there to be named."""
    values = load_yaml(CONFIGS / "cartpole.yaml")
    past = int(state[0]) if state[0].isdigit() else 0
    parts = {**SEEN, **(SPEEDS if state == "full" else {})}
    for k in range(1, past + 1):
        parts |= {f"{n}_{k}": f"observation@{k}[{i}]" for n, i in SEEN.items()}
        parts[f"push_{k}"] = f"action@{k}"
    terms = [t for t in values["task"]["cost"]["terms"] if t["of"] not in SPEEDS]
    cost = {**values["task"]["cost"], "terms": terms}
    config = from_dict(TaskConfig, {"observation": {"state": parts}, "cost": cost})
    kwargs: dict[str, Any] = dict(values["env"]["kwargs"])
    kwargs |= {"history": {"observations": past, "actions": past}} if past else {}
    with environment.make(values["env"]["id"], kwargs) as env:
        return values["env"]["id"], kwargs, Task.of(config, env)


def _error(model: Any, test: Any, task: Task, steps: int) -> float:
    """Root mean square distance [m] of the predicted tip from the real one, `steps` later."""
    found, program = [], lower(model)
    for observations, actions in zip(test.observations, test.actions, strict=True):
        x = task.map.state(observations)
        starts = np.arange(2, len(actions) - steps + 1)  # the past is known from then on
        pushes = np.stack([actions[starts + t] for t in range(steps)], axis=1)
        ends = np.stack([program.rollout(a, p)[-1] for a, p in zip(x[starts], pushes, strict=True)])
        found.append((ends - x[starts + steps]) @ _tip(task).T)
    return float(np.sqrt((np.concatenate(found) ** 2).sum(axis=1).mean()))


def _tip(task: Task) -> np.ndarray:
    """Matrix from the state to the tip's place [m]."""
    tip, at = np.zeros((2, task.nx)), {n: s.start for n, s in task.map.names.items()}
    tip[0, at["position"]], tip[0, at["sine"]], tip[1, at["cosine"]] = 1.0, 0.6, 0.6
    return tip


if __name__ == "__main__":
    raise SystemExit(main())
