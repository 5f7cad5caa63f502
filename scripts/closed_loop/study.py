"""Closed loop against number of ReLUs and controller, at equal time per decision; resumable.

    python -m scripts.closed_loop.study --tasks rope --counts 48 24 12 --budget-seconds 3000
    python -m scripts.closed_loop.study --estimate
    python -m scripts.closed_loop.study --report-only

Paired episodes: the dense model under the samplers and the gradient planner of the task's config,
every member of the sparsified family under the mixed-integer planner and under the gradient
planner, and the planner that uses both models. Runs are taken from `--runs` and made there where
they are missing. Every (task, budget, model) is a folder of its own in
`<runs>/<task>/closed_loop`, and an episode is a line there as soon as it ends: the same command
goes on. Two episodes run at once, one per core: the machine must be idle otherwise.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scripts import study
from scripts.closed_loop import report, runs, table
from scripts.closed_loop.runs import Run
from scripts.study import RESULTS, RUNS
from sparsectl import environment, evaluate
from sparsectl.errors import SparsectlError
from sparsectl.experiment import Experiment
from sparsectl.files import write_json
from sparsectl.parallel import EngineName

DENSE = ("mppi", "cem", "gradient")
"""Kinds that plan with the dense model."""
TWO_MODELS = "two_models"
Entries = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "closed_loop.csv"
    tasks: tuple[str, ...] = runs.TASKS
    """Configs: names or files."""
    budgets: tuple[float, ...] = (0.1, 0.5)
    """Wall clock of a decision [s]."""
    episodes: int | None = None
    """Default: the config's."""
    counts: tuple[int, ...] | None = None
    """Members; default: all of the family."""
    two_models: tuple[int, ...] = (24,)
    """Sparse members of that planner."""
    steps: int = 100
    """Of an episode, at most."""
    engine: EngineName = "process"
    workers: int = 2
    """Episodes at once."""
    runs: Path = RUNS
    force: bool = False
    """Set aside episodes of another configuration."""
    estimate: bool = False
    """Say how long it takes, play nothing."""


class Group(NamedTuple):
    """Controllers that play with one model: one folder for each budget."""

    name: str
    model: str
    checkpoint: Path
    relus: int
    """Of the model; of the sparse one where there are two."""
    controllers: Entries


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then report."""
    options, failed = study.parse(Options, __doc__, argv), []
    try:
        configs = runs.configured(options.tasks)
    except SparsectlError as error:
        print(error, file=sys.stderr)
        return 2
    end = time.monotonic() + (options.budget_seconds or float("inf"))
    for name, config in configs.items():
        if options.estimate:
            print(_estimate(config, options))
        elif not options.report_only and time.monotonic() < end:
            try:
                _play(runs.prepared(config, options.runs), options, end)
            except SparsectlError as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed.append(name)
    rows = [] if options.estimate else table.collect(options.runs, options.out)
    if not rows and not options.estimate:
        print(f"no episodes in {options.runs} and no table {options.out}", file=sys.stderr)
        return 1
    if rows:
        report.write(rows, options.out)
    return 1 if failed else 0


def _play(run: Run, options: Options, end: float) -> None:
    config = run.experiment
    limit, has_error = _length(config, options.steps)
    for budget in options.budgets:
        for group in groups(run, options):
            if time.monotonic() > end:
                print("budget spent; start again to go on", file=sys.stderr)
                return
            folder = run.folder / table.FOLDER / f"{budget:g}s" / group.name
            print(f"{run.name} {budget:g} s {group.name}", file=sys.stderr, flush=True)
            facts = {"task": run.name, "budget": budget, "relus": group.relus}
            write_json(folder / table.FACTS, {**facts, "has_error": has_error})
            evaluate.compare(
                folder,
                env_id=config.env.id,
                env_kwargs=config.env.kwargs,
                task=config.task,
                models={group.model: group.checkpoint},
                controllers=group.controllers,
                horizon=config.horizon,
                config=dataclasses.replace(
                    config.evaluate, episodes=options.episodes or config.evaluate.episodes,
                    steps=limit, budget=budget, workers=options.workers, engine=options.engine,
                    clips=0, planned_states=0, models={},
                ),
                seed=config.seed,
                force=options.force,
                title=f"{run.name} {group.name}",
                command=f"python -m scripts.closed_loop.study --tasks {run.name}",
            )  # fmt: skip


def groups(run: Run, options: Options) -> Iterator[Group]:
    """Who plays: the dense model's planners first, the members from many ReLUs to few."""
    config = run.experiment
    of_kind = {kind: _entries(config, kind) for kind in (*DENSE, "mip")}
    dense = {n: e for kind in DENSE for n, e in of_kind[kind].items()}
    yield Group("dense", "dense", run.dense, run.relus, dense)
    counts = runs.chosen(run, options.counts)
    for relus in counts:
        entries = of_kind["mip"] | of_kind["gradient"]
        yield Group(f"relus{relus}", f"relus{relus}", run.member(relus), relus, entries)
    for relus in runs.chosen(run, options.two_models):
        sparse = {"kind": TWO_MODELS, "sparse": str(run.member(relus).resolve())}
        entry = next(iter(_entries(config, TWO_MODELS, {}).values()), {})
        yield Group(f"two_models{relus}", "dense", run.dense, relus,
                    {f"{TWO_MODELS}{relus}": {**entry, **sparse}})  # fmt: skip


def _entries(config: Experiment, kind: str, default: Entries | None = None) -> Entries:
    """The config's controllers of a kind; without any, one with its defaults.

    Which models they plan with is this study's to say, not the config's.
    """
    found = {
        n: {k: v for k, v in e.items() if k != "models"}
        for n, e in config.controllers.items() if e.get("kind", n) == kind
    }  # fmt: skip
    return found or ({kind: {}} if default is None else default)


def _length(config: Experiment, most: int) -> tuple[int, bool]:
    """Steps of an episode, and whether the environment tells a task error."""
    with environment.make(config.env.id, config.env.kwargs) as env:
        _, info = env.reset(seed=0)
        limit = env.spec.max_episode_steps if env.spec is not None else None
    return min(config.evaluate.steps or limit or most, most), "error" in info


def _estimate(config: Experiment, options: Options) -> str:
    """Upper bound of the time that decisions take, all episodes at full length."""
    steps, _ = _length(config, options.steps)
    episodes = options.episodes or config.evaluate.episodes
    members = len(options.counts or config.sparsify.counts)
    players = sum(len(_entries(config, kind)) for kind in DENSE)
    players += members * sum(len(_entries(config, kind)) for kind in ("mip", "gradient"))
    players += len(options.two_models)
    seconds = sum(options.budgets) * steps * episodes * players / options.workers
    return (
        f"{config.name}: {players} players x {episodes} episodes x {steps} steps: at most "
        f"{seconds / 60:.0f} min of deciding, without simulation and training"
    )


if __name__ == "__main__":
    sys.exit(main())
