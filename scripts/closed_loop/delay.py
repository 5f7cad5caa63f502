"""Latency: is it found, and what does planning past it leave of a closed loop?

python -m scripts.closed_loop.delay

Writes delay.csv: by task and delay, how many of ten recordings of 2,000 transitions show it, and
how MPPI drives the two cart-poles on a learned model that is told of it or not.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.study import CONFIGS, RESULTS, RUNS, Row
from sparsectl import control, data, dynamics, environment
from sparsectl.config import from_dict, load_yaml
from sparsectl.dynamics.lower import lower
from sparsectl.files import csv_text, write_atomic
from sparsectl.task import Task, TaskConfig

FOUND = ("gym_cartpole", "cartpole", "swim_model", "swimmer")
DRIVEN = {"gym_cartpole": (200, 3000), "cartpole": (60, 10000)}
"""Steps of an episode, transitions that are learned from."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RUNS / "delay.jsonl"
    seeds: int = 10
    """Recordings."""
    models: int = 3
    """Learned models of each closed loop."""
    episodes: int = 6
    """Of each model."""
    most: int = 3
    """Largest delay [steps]."""


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing and write the table."""
    options = study.parse(Options, __doc__, argv)
    delays = range(options.most + 1)
    units: list[Row] = [{"part": "found", "task": n, "delay": d} for d in delays for n in FOUND]
    units += [
        {"part": "driven", "task": name, "delay": delay, "told": told}
        for name in DRIVEN
        for delay in delays
        for told in ((False, True) if delay else (True,))
    ]
    rows = study.run(options, units, measure)
    print(write_atomic(RESULTS / "delay.csv", csv_text(rows)))
    return 0


def measure(unit: Row, options: Options) -> Row:
    """What one unit gives."""
    return (_found if unit["part"] == "found" else _driven)(unit, options)


def _task(name: str, delay: int, told: bool, late: dict[str, int]) -> tuple[str, dict, Task]:
    values = load_yaml(CONFIGS / f"{name}.yaml")
    kwargs: dict[str, Any] = dict(values["env"].get("kwargs", {}))
    kwargs |= {"delay": late} if delay else {}
    config = from_dict(TaskConfig, values.get("task", {}))
    observation = replace(config.observation, delay=delay if told else 0)
    with environment.make(values["env"]["id"], kwargs) as env:
        task = Task.of(replace(config, observation=observation), env)
    return values["env"]["id"], kwargs, task


def _found(unit: Row, options: Options) -> Row:
    """Every other recording has late actions, the others late observations for a part."""
    name, delay, right, ratios = unit["task"], unit["delay"], 0, []
    for seed in range(options.seeds):
        shown = delay // 2 if seed % 2 else 0
        late = {"actions": delay - shown, "observations": shown}
        env_id, kwargs, task = _task(name, delay, False, late)
        config = data.CollectConfig(2000, 50, "random")
        episodes = data.collect(config, env_id, kwargs, seed=seed)
        found = data.latency([task.map.state(o) for o in episodes.observations], episodes.actions)
        assert found is not None
        right += found.steps == delay
        others = [e for lag, e in enumerate(found.errors) if lag != delay]
        ratios.append(found.errors[delay] / min(others))
    return {"found": right, "of": options.seeds, "error_ratio": round(float(np.max(ratios)), 3)}


def _driven(unit: Row, options: Options) -> Row:
    name, delay = unit["task"], unit["delay"]
    env_id, kwargs, task = _task(name, delay, unit["told"], {"actions": delay})
    started, returns, errors = time.process_time(), [], []
    for seed in range(options.models):
        steps, transitions = DRIVEN[name]
        episodes = data.collect(
            data.CollectConfig(transitions, 50, "random"), env_id, kwargs, seed=seed
        )
        config = dynamics.MLPConfig((32, 32) if name == "cartpole" else (16,))
        model = dynamics.build(config, task.map.names, task.nx, task.nu, seed=seed)
        train = dynamics.TrainConfig(steps=2000, seed=seed)
        model = dynamics.train(model, episodes, task.map, train, progress=False).dynamics
        entry = {"samples": 128, "iterations": 3}
        planner = control.build("mppi", entry, task, model, lower(model), 8, "cpu")
        with environment.make(env_id, kwargs) as env:
            for episode in range(options.episodes):
                total, far = drive(env, planner, 10**6 + episode, steps)
                returns.append(total)
                errors.append(far)
    return {
        "episodes": len(returns),
        "return": round(float(np.mean(returns)), 1),
        "return_error": round(float(np.std(returns) / np.sqrt(len(returns))), 1),
        "tip_late_m": "" if np.isnan(errors).any() else round(float(np.mean(errors)), 3),
        "cpu_seconds": round(time.process_time() - started, 1),
    }  # fmt: skip


def drive(env: Any, planner: Any, seed: int, steps: int) -> tuple[float, float]:
    """Return, and the mean distance of the last third."""
    observation, _ = env.reset(seed=seed)
    memory, total, far = control.ControllerState(seed=seed), 0.0, []
    for _ in range(steps):
        plan, memory = planner.decide(observation, memory)
        action = env.inside(planner.first_action(plan))
        memory = replace(memory, executed=np.array(action, dtype=np.float64))
        observation, reward, ended, cut, info = env.step(action.astype(env.action_space.dtype))
        total += reward
        far.append(info.get("error", np.nan))
        if ended or cut:
            break
    return total, float(np.mean(far[-steps // 3 :]))


if __name__ == "__main__":
    raise SystemExit(main())
