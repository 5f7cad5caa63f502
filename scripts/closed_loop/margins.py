"""Do margins for model error cover what they state, and what do they cost? In simulation.

    python -m scripts.closed_loop.margins --tasks pusht_obstacle --coverage 0.9

Open loop: the share of fresh rollouts, of other episodes than margins were taken from, in which a
constraint is missed by no more than its margin, over all planned steps and constraints, and for
the one with the least. Closed loop: how many of the steps violate some constraint of the task,
hard ones and those that have a price apart, with and without margins, on the same episodes. The
runs have their models: `sparsectl train`.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from scripts import study
from scripts.closed_loop import runs
from scripts.mip.clock import count_cpu_seconds
from scripts.study import RESULTS, RUNS, Row
from sparsectl import environment, seeding
from sparsectl.cli import locate, stages
from sparsectl.dynamics.calibration import errors
from sparsectl.errors import CheckpointError, SparsectlError
from sparsectl.evaluate import run_episode
from sparsectl.evaluate.planned import WITHOUT
from sparsectl.evaluate.player import Player, Setting, load_model, make_task
from sparsectl.evaluate.unit import controller_of
from sparsectl.experiment import Experiment
from sparsectl.files import csv_text, write_atomic
from sparsectl.report import statistics, text
from sparsectl.task import Constraints, Margins
from sparsectl.task.margins import ROLLOUTS, misses

OPEN = "open loop"
CHECKS = 5
"""Sets of fresh rollouts."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "margins.jsonl"
    tasks: tuple[str, ...] = ("pusht_obstacle",)
    """Configs with hard constraints: names or files."""
    coverage: tuple[float, ...] = (0.9,)
    coverage_steps: int | None = None
    """Planned steps that it is about, see `ConstraintsConfig`; default: all."""
    controllers: tuple[str, ...] = ("cem",)
    """Names in the config; others are kinds with their defaults. None: open loop only."""
    model: str | None = None
    """A member such as `sparse/24`; default: the run's own model."""
    horizon: int | None = None
    """Default: the config's."""
    budget: float | None = None
    """Wall clock of a decision [s]; default: what the controllers' own settings take."""
    episodes: int = 20
    only: tuple[int, ...] = ()
    """Episodes to play, by number, in place of the first ones: where some starts are hopeless."""
    steps: int | None = None
    """Of an episode; default: the config's."""
    runs: Path = RUNS
    clock: Literal["cpu", "wall"] = "wall"
    """What the budget counts; cpu: seconds of one thread, where the machine has other work."""


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    if options.clock == "cpu":
        count_cpu_seconds()
    try:
        tasks = runs.configured(options.tasks)
        for config in [] if options.report_only else tasks.values():
            _model(config, options)
    except SparsectlError as error:
        print(error, file=sys.stderr)
        return 2
    shared = {"model": options.model, "budget": options.budget, "horizon": options.horizon}
    asked = [{"coverage": q, "coverage_steps": options.coverage_steps} for q in options.coverage]
    units: list[Row] = [{"task": t, "who": OPEN, **q, **shared} for t in tasks for q in asked]
    episodes = options.only or range(options.episodes)
    units += [
        {"task": t, "who": who, **q, "episode": i, "limit": options.steps, **shared}
        for t in tasks for i in episodes for who in options.controllers
        for q in ({"coverage": None, "coverage_steps": None}, *asked)
    ]  # fmt: skip
    rows = study.run(options, units, measure)
    write_atomic(options.out.with_suffix(".csv"), csv_text(rows))
    report(rows, options.out.with_suffix(".md"))
    return 0


def measure(unit: Row, options: Options) -> Row:
    """The row of a unit."""
    player = _player(unit, options)
    return _covered(player) if unit["who"] == OPEN else _played(player, unit)


def _covered(player: Player) -> Row:
    """Shares of fresh rollouts within margins, at a start of the task."""
    task, model = player.prepared()
    horizon, rollouts = player.setting.horizon, player.setting.rollouts
    constraints = task.problem(_start(player.setting), horizon).own
    assert task.margins is not None
    assert constraints is not None
    checks = [dataclasses.replace(rollouts, name=f"check {k}") for k in range(CHECKS)]
    fresh = [errors(task, **check.record(model, task, horizon)) for check in checks]
    within = _within(task.margins, constraints, np.concatenate(fresh))
    step, worst = np.unravel_index(np.argmin(within), within.shape)
    # Each set of rollouts once for margins, the others to check them.
    sets = [task.margins.errors, *fresh]
    turns = [
        _within(dataclasses.replace(task.margins, errors=one), constraints, other)
        for i, one in enumerate(sets) for j, other in enumerate(sets) if i != j
    ]  # fmt: skip
    return {
        "rollouts": sum(map(len, fresh)),
        "pairs": within.size,
        "within": float(within.mean()),
        "least": float(within.min()),
        "least_of": f"{constraints.names[worst]} at step {step + 1}",
        "mean": float(np.mean(turns)),
        "mean_least": float(np.mean(turns, axis=0).min()),
        "drawn_in": {n: max(v) for n, v in task.margins.by_name(constraints).items()},
    }


def _within(margins: Margins, constraints: Constraints, fresh: np.ndarray) -> np.ndarray:
    """Share of rollouts within margins. Shape (steps that they are about, constraints)."""
    missed = misses(constraints, fresh[:, : margins.steps])
    kept = missed <= margins.of(constraints)[: margins.steps]
    return kept.sum(0) / (~np.isnan(missed)).sum(0)


def _played(player: Player, unit: Row) -> Row:
    setting, episode = player.setting, unit["episode"]
    row = run_episode(
        setting.env_id,
        setting.env_kwargs,
        controller_of(player, player.key)[0],
        seeding.EVALUATION_SEED + episode,
        steps=setting.steps,
        until_success=setting.until_success,
        budget=setting.budget,
        controller_seed=seeding.integer(setting.seed, "controller", episode),
    )
    kept = ("outcome", "success", "final_error", "steps", "mean_cost", "worst_real_violation",
            "worst_priced_violation")  # fmt: skip
    return {
        **{name: row[name] for name in kept},
        "violated": sum(row["violated"].values()),
        "priced_violated": sum(row["priced_violated"].values()),
        "softened": row["statuses"].get("softened", 0),
    }


def _player(unit: Row, options: Options) -> Player:
    config = runs.configured(options.tasks)[unit["task"]]
    task = config.task
    asked = {name: unit[name] for name in ("coverage", "coverage_steps")}
    limits = dataclasses.replace(task.constraints, **asked)
    setting = Setting(
        config.env.id, config.env.kwargs, dataclasses.replace(task, constraints=limits),
        unit["horizon"] or config.horizon, unit.get("limit") or config.evaluate.steps,
        unit["budget"], config.seed, config.evaluate.device,
        until_success=config.evaluate.until_success, data=config.data,
    )  # fmt: skip
    path, who = _model(config, options), unit["who"]
    _, content = load_model(setting, make_task(setting), path)
    entries = locate.controllers(config.controllers, options.runs / config.name)
    return Player(setting, "model", str(path), who, entries.get(who, {"kind": "zero"} if who == OPEN
                  else {}), content)  # fmt: skip


def _model(config: Experiment, options: Options) -> Path:
    folder = options.runs / config.name
    path = folder / options.model if options.model else stages.model_folder(config, folder)
    if not (path / "meta.json").is_file():
        raise CheckpointError(f"no model in '{path}': `sparsectl train --config {config.name}`")
    return path


def _start(setting: Setting) -> np.ndarray:
    with environment.make(setting.env_id, setting.env_kwargs) as env:
        return env.reset(seed=seeding.EVALUATION_SEED)[0]


def report(rows: list[Row], path: Path) -> None:
    """Write the page."""
    lines, played = [], [r for r in rows if r["who"] != OPEN]
    for r in rows:
        if r["who"] == OPEN:
            lines.append([
                r["task"], _asked(r["coverage"], r["coverage_steps"]), r["rollouts"], r["pairs"],
                *(f"{r[k]:.4f}" for k in ("mean", "mean_least", "within", "least")), r["least_of"],
            ])  # fmt: skip
    heads = [
        "task",
        "asked",
        "rollouts",
        "pairs",
        "mean",
        "least of means",
        "these margins",
        "least",
        "of",
    ]
    closed = []
    keys = ("task", "who", "coverage", "coverage_steps")
    for (task, who, *q), some in study.groups(played, *keys).items():
        count = sum(r["steps"] for r in some)
        priced = [r for r in some if r.get("worst_priced_violation") is not None]
        final = statistics.bootstrap([[r["final_error"] for r in some]])
        solved = [float(r["success"]) for r in some if r["success"] is not None]
        closed.append([
            task, who, _asked(*q), len(some), count,
            _share(sum(r["violated"] for r in some), count),
            text.number(max(r["worst_real_violation"] or 0.0 for r in some)),
            _share(sum(r["priced_violated"] for r in priced), count) if priced else text.DASH,
            text.number(max((r["worst_priced_violation"] for r in priced), default=None)),
            sum(r["softened"] for r in some),
            f"{sum(solved):.0f}/{len(solved)}" if solved else text.DASH,
            f"{text.number(final.value)} ({text.number(final.low)}–{text.number(final.high)})",
        ])  # fmt: skip
    columns = ["task", "controller", "coverage", "episodes", "steps", "steps violated", "worst",
               "violated at a price", "worst at a price", "softened", "success",
               "final error"]  # fmt: skip
    study.page(
        path,
        "# Margins for model error",
        "## Open loop",
        f"Share of fresh rollouts within margins, for the pairs of a planned step and a "
        f"constraint. Mean: over {CHECKS + 1} sets of {ROLLOUTS} rollouts, each of which gives "
        "margins in turn and is checked by the others, which is what is guaranteed. Those of one "
        "set, such as the ones that plan, are above or below it by chance.",
        study.table(heads, lines),
        "## Closed loop",
        "Steps in whose state some hard constraint of the task is violated, with 95 % Wilson "
        "interval, and the same of those that have a price, which margins do not draw in (a dash: "
        "the task has none); the same starts with and without margins.",
        study.table(columns, closed, words=3),
    )


def _asked(coverage: float | None, steps: int | None) -> str:
    """What margins were asked for, in words."""
    if coverage is None:
        return WITHOUT
    return f"{coverage:g}" + (f" up to step {steps}" if steps else "")


def _share(count: int, steps: int) -> str:
    share = statistics.proportion([1.0] * count + [0.0] * (steps - count))
    return f"{100 * share.value:.2f} % ({100 * share.low:.2f}–{100 * share.high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
