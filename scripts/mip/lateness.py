"""How late the planner's decisions are in closed loop, by the CPU clock.

    python -m scripts.mip.lateness --runs runs --tasks flyer:8 demo:1 wallpole:4 gym_cartpole:3

Plays episodes with the run's sparse model of so many ReLUs and the config's `mip` entry. A decision
is late when it takes longer than its budget. CPU seconds of the one process count, so that other
work on the machine changes little; `--label` tells versions of the code apart.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts import study
from scripts.mip import clock
from scripts.study import CONFIGS, RESULTS, RUNS, Row
from sparsectl import environment, experiment, seeding
from sparsectl.evaluate.episode import run_episode
from sparsectl.evaluate.player import Player, Setting


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "lateness.jsonl"
    runs: Path = RUNS
    tasks: tuple[str, ...] = ("flyer:8", "demo:1", "wallpole:4", "gym_cartpole:3")
    """Config and ReLUs."""
    horizon: int | None = None
    """Instead of the configs' own."""
    budgets: tuple[float, ...] = (0.1, 0.3)
    """CPU seconds of a decision."""
    episodes: int = 10
    steps: int = 20
    label: str = "now"


def main(argv: list[str] | None = None) -> int:
    """Play what is missing."""
    options = study.parse(Options, __doc__, argv)
    clock.count_cpu_seconds()
    units = (
        {"label": options.label, "task": task, "horizon": options.horizon, "budget": budget}
        for task in options.tasks for budget in options.budgets
    )  # fmt: skip
    study.run(options, units, measure)
    return 0


def measure(unit: Row, options: Options) -> Row:
    """One row: play, count."""
    name, relus = unit["task"].split(":")
    config = experiment.load(CONFIGS / f"{name}.yaml")
    kwargs = dict(config.env.kwargs or {})
    setting = Setting(
        config.env.id, kwargs, config.task, options.horizon or config.horizon,
        environment.step_limit(config.env.id, kwargs, options.steps), unit["budget"], 0,
        until_success=config.evaluate.until_success, data=config.data,
    )  # fmt: skip
    folder = options.runs / config.name / "sparse" / relus
    controller = Player(setting, relus, str(folder), "mip", config.controllers["mip"], "").build()
    rows = []

    def note(step, observation, state, plan) -> None:
        rows.append((step == 0, plan.info["overrun"], plan.gap, plan.info.get("build_seconds")))

    for episode in range(options.episodes):
        run_episode(
            setting.env_id, kwargs, controller, seeding.EVALUATION_SEED + episode,
            steps=setting.steps, until_success=setting.until_success, budget=setting.budget,
            controller_seed=seeding.integer(0, "controller", episode),
            warm_up=episode == 0, on_decision=note,
        )  # fmt: skip
    first, overrun, gap, built = (np.array(some, dtype=float) for some in zip(*rows, strict=True))
    late = overrun > 0
    return {
        "decisions": len(rows),
        "late": round(float(late.mean()), 4),
        "first_late": round(float(late[first == 1].mean()), 4),
        "p99_overrun_ms": round(1e3 * float(np.quantile(overrun, 0.99)), 2),
        "most_overrun_ms": round(1e3 * float(overrun.max()), 2),
        "proved": round(float((gap <= 0.01).mean()), 4),
        "with_bound": round(float(np.isfinite(gap).mean()), 4),
        "built_ms": None if np.isnan(built).all() else round(1e3 * float(np.nanmedian(built)), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
