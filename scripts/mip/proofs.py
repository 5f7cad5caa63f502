"""How many decisions are proved in closed loop, against the shape of the network.

    python -m scripts.mip.proofs --tasks rope pusht_easy --hidden 4,12 8,8 16 --horizon 5

Trains each network through the package (the config's data and structure), then plays episodes of
the real environment with the MIP controller alone. A decision counts as proved when its gap is at
most one per cent. Time per decision is CPU seconds of the one process, so that other work on the
machine changes little. Cells that are in the results file are not run again.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.mip import clock
from scripts.mip.instances import cached
from scripts.study import RESULTS, ROOT
from sparsectl import data, dynamics, environment, experiment, seeding
from sparsectl.control import ControllerState, build
from sparsectl.dynamics.lower import lower
from sparsectl.task import Task

FIELDS = (
    "task", "hidden", "backend", "horizon", "budget", "seed", "decisions", "proved", "gap_median",
    "gap_p90", "seconds_p50", "seconds_p99", "final_error", "success", "error_10",
)  # fmt: skip
CONFIGS = ROOT / "configs"


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, then print the table."""
    options = _parse(argv)
    torch.set_num_threads(1)
    rows = _load(options.out)
    clock.count_cpu_seconds()
    for task in options.tasks:
        for shape in options.hidden:
            for seed in options.seeds:
                key = (
                    task,
                    shape,
                    options.backend,
                    str(options.horizon),
                    str(options.budget),
                    str(seed),
                )
                if any(tuple(r[k] for k in FIELDS[:6]) == key for r in rows):
                    continue
                rows.append(measure(task, shape, options, seed))
                _write(options.out, rows)
                print(rows[-1], flush=True)
    return 0


def measure(name: str, shape: str, options: argparse.Namespace, seed: int) -> dict[str, str]:
    """One row: train (or take the cached network), play, count."""
    hidden = [int(k) for k in shape.split(",")]
    config = experiment.load(CONFIGS / f"{name}.yaml")
    model_config = replace(config.model, hidden=tuple(hidden))
    config = replace(config, model=model_config, horizon=options.horizon, seed=seed)
    task = experiment.check(config)
    model, error = _trained(name, shape, config, task, options.steps)
    controller = build(
        "mip",
        {
            "gap": 0.01,
            "seconds": options.budget,
            "backend": options.backend,
            "share": options.share,
        },
        task,
        model,
        lower(model),
        config.horizon,
    )
    env = environment.make(config.env.id, config.env.kwargs)
    gaps: list[float] = []
    seconds: list[float] = []
    errors, successes = [], []
    for episode in range(options.episodes):
        observation, info = env.reset(seed=20_000 + episode)
        state = ControllerState(seed=seeding.integer(seed, "episode", episode))
        for _ in range(options.length):
            started = time.process_time()
            plan, state = controller.decide(observation, state)
            seconds.append(time.process_time() - started)
            gap = plan.gap
            gaps.append(np.inf if gap is None else gap)
            action = controller.first_action(plan)
            observation, _, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                break
        errors.append(float(info["error"]))
        successes.append(bool(info["is_success"]))
    env.close()
    values: tuple[Any, ...] = (
        name, shape, options.backend, config.horizon, options.budget, seed, len(gaps),
        np.mean(np.array(gaps) <= 0.01), np.median(gaps), np.quantile(gaps, 0.9),
        np.median(seconds), np.quantile(seconds, 0.99), np.mean(errors), np.mean(successes), error,
    )  # fmt: skip
    return {
        field: f"{v:.5g}" if isinstance(v, float) else str(v)
        for field, v in zip(FIELDS, values, strict=True)
    }


def _trained(name: str, shape: str, config: Any, task: Task, steps: int) -> tuple[Any, float]:
    """Model, and its ten-step error [m]; weights come from the cache after the first time."""
    model = dynamics.build(config.model, task.map.names, task.map.nx, task.nu, seed=config.seed)

    def make() -> dict[str, np.ndarray]:
        episodes = data.collect(config.data, config.env.id, config.env.kwargs, seed=config.seed)
        settings = replace(config.train, steps=steps, device="cpu", seed=config.seed)
        dynamics.train(model, episodes, task.map, settings, progress=False)
        held_out = replace(config.data, transitions=4_000)
        fresh = data.collect(held_out, config.env.id, config.env.kwargs, seed=config.seed + 1_000)
        table = dynamics.evaluate_model(model, fresh, task.map, (10,))
        state = {k: v.numpy() for k, v in model.state_dict().items()}
        return {**state, "error_10": np.array(_points(table))}

    stored = cached(f"proofs-{name}-{shape.replace(',', '-')}-{steps}-{config.seed}", make)
    error = float(stored.pop("error_10"))
    model.load_state_dict({k: torch.as_tensor(v) for k, v in stored.items()})
    return model.eval(), error


def _points(errors: dynamics.ModelErrors) -> float:
    """Mean error of the points (or of the first part) [m]."""
    rows = [r for r in errors.rows if r.part == "points"] or list(errors.rows)
    return float(rows[0].model)


def _load(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with open(part, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--tasks", nargs="+", default=["rope", "pusht_easy"])
    add("--hidden", nargs="+", default=["4,12", "8,8", "16"], help="hidden layers, such as 8,8")
    add("--horizon", type=int, default=5)
    add("--budget", type=float, default=0.5, help="CPU seconds per decision")
    add("--backend", default="auto")
    add("--share", type=float, default=0.2, help="of the time, for starting plans")
    add("--seeds", nargs="+", type=int, default=[0])
    add("--episodes", type=int, default=3)
    add("--length", type=int, default=30, help="steps per episode, at most")
    add("--steps", type=int, default=4000, help="gradient steps")
    add("--out", type=Path, default=RESULTS / "proofs.csv")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
