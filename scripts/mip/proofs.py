"""How many decisions are proved in closed loop, against the shape of the network.

    python -m scripts.mip.proofs --tasks rope pusht_easy --hidden 4,12 8,8 16 --horizon 5

Trains each network through the package (the config's data and structure), then plays episodes of
the real environment with the MIP controller alone. A decision counts as proved when its gap is at
most one per cent. Time per decision is CPU seconds of the one process, so that other work on the
machine changes little. Cells that are in the results file are not run again.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts import study
from scripts.mip import clock
from scripts.mip.instances import cached
from scripts.study import CONFIGS, RESULTS, Row
from sparsectl import data, dynamics, environment, experiment, seeding
from sparsectl.control import ControllerState, build
from sparsectl.dynamics.lower import lower
from sparsectl.files import csv_text, write_atomic
from sparsectl.task import Task


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "proofs.jsonl"
    tasks: tuple[str, ...] = ("rope", "pusht_easy")
    hidden: tuple[str, ...] = ("4,12", "8,8", "16")
    """Hidden layers, such as 8,8."""
    horizon: int = 5
    budget: float = 0.5
    """CPU seconds of a decision."""
    backend: str = "auto"
    share: float = 0.2
    """Of the time, for starting plans."""
    seeds: tuple[int, ...] = (0,)
    episodes: int = 3
    length: int = 30
    """Steps of an episode, at most."""
    steps: int = 4000
    """Gradient steps."""


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    clock.count_cpu_seconds()
    units = (
        {"task": task, "hidden": shape, "backend": options.backend, "horizon": options.horizon,
         "budget": options.budget, "seed": seed}
        for task in options.tasks for shape in options.hidden for seed in options.seeds
    )  # fmt: skip
    rows = study.run(options, units, measure)
    write_atomic(options.out.with_suffix(".csv"), csv_text(rows))
    return 0


def measure(unit: Row, options: Options) -> Row:
    """One row: train (or take the cached network), play, count."""
    name, shape, seed = unit["task"], unit["hidden"], unit["seed"]
    config = experiment.load(CONFIGS / f"{name}.yaml")
    model_config = replace(config.model, hidden=tuple(map(int, shape.split(","))))
    config = replace(config, model=model_config, horizon=options.horizon, seed=seed)
    task = experiment.check(config)
    model, error = trained(name, shape, config, task, options.steps)
    settings = {"gap": 0.01, "seconds": options.budget, "backend": options.backend,
                "share": options.share}  # fmt: skip
    controller = build("mip", settings, task, model, lower(model), config.horizon)
    env = environment.make(config.env.id, config.env.kwargs)
    gaps, seconds, errors, successes = [], [], [], []
    for episode in range(options.episodes):
        observation, info = env.reset(seed=20_000 + episode)
        state = ControllerState(seed=seeding.integer(seed, "episode", episode))
        for _ in range(options.length):
            started = time.process_time()
            plan, state = controller.decide(observation, state)
            seconds.append(time.process_time() - started)
            gaps.append(np.inf if plan.gap is None else plan.gap)
            step = env.step(controller.first_action(plan))
            observation, _, terminated, truncated, info = step
            if terminated or truncated:
                break
        errors.append(float(info["error"]))
        successes.append(bool(info["is_success"]))
    env.close()
    values = {
        "decisions": len(gaps), "proved": np.mean(np.array(gaps) <= 0.01),
        "gap_median": np.median(gaps), "gap_p90": np.quantile(gaps, 0.9),
        "seconds_p50": np.median(seconds), "seconds_p99": np.quantile(seconds, 0.99),
        "final_error": np.mean(errors), "success": np.mean(successes), "error_10": error,
    }  # fmt: skip
    return {k: float(f"{v:.5g}") for k, v in values.items()}


def trained(name: str, shape: str, config: Any, task: Task, steps: int) -> tuple[Any, float]:
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
        points = [r for r in table.rows if r.part == "points"] or list(table.rows)
        return {**state, "error_10": np.array(points[0].model)}

    stored = cached(f"proofs-{name}-{shape.replace(',', '-')}-{steps}-{config.seed}", make)
    error = float(stored.pop("error_10"))
    model.load_state_dict({k: torch.as_tensor(v) for k, v in stored.items()})
    return model.eval(), error


if __name__ == "__main__":
    sys.exit(main())
