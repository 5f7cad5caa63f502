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

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scripts.closed_loop import report, runs, table
from scripts.closed_loop.runs import Run
from scripts.study import RESULTS, RUNS
from sparsectl import environment, evaluate
from sparsectl.errors import SparsectlError
from sparsectl.experiment import Experiment
from sparsectl.files import write_json
from sparsectl.parallel import ENGINES

DENSE = ("mppi", "cem", "gradient")
"""Kinds that plan with the dense model."""
TWO_MODELS = "two_models"
Entries = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Group:
    """Controllers that play with one model: one folder for each budget.

    Attributes:
        name: of the folder.
        model: name of the model.
        checkpoint: its directory.
        relus: of the model; of the sparse one where there are two.
        controllers: entries by name.
    """

    name: str
    model: str
    checkpoint: Path
    relus: int
    controllers: Entries


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then report."""
    options = _parse(argv)
    torch.set_num_threads(1)
    try:
        configs = runs.configured(options.tasks)
    except SparsectlError as error:
        print(error, file=sys.stderr)
        return 2
    if options.estimate:
        for config in configs.values():
            print(_estimate(config, options))
        return 0
    failed = [] if options.report_only else runs.each(configs, options, _play)
    rows = table.collect(options.runs, options.out)
    if not rows:
        print(f"no episodes in {options.runs} and no table {options.out}", file=sys.stderr)
        return 1
    report.write(rows, options.out)
    print(options.out.with_suffix(".md"), file=sys.stderr)
    return 1 if failed else 0


def _play(run: Run, options: argparse.Namespace, check: Callable[[], None]) -> None:
    config = run.experiment
    limit, has_error = _length(config, options.steps)
    for budget in options.budgets:
        for group in groups(run, options):
            check()
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


def groups(run: Run, options: argparse.Namespace) -> Iterator[Group]:
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
    """The config's controllers of a kind; without any, one with its defaults."""
    found = {n: dict(e) for n, e in config.controllers.items() if e.get("kind", n) == kind}
    return found or ({kind: {}} if default is None else default)


def _length(config: Experiment, most: int) -> tuple[int, bool]:
    """Steps of an episode, and whether the environment tells a task error."""
    env = environment.make(config.env.id, config.env.kwargs)
    try:
        _, info = env.reset(seed=0)
        limit = env.spec.max_episode_steps if env.spec is not None else None
    finally:
        env.close()
    return min(config.evaluate.steps or limit or most, most), "error" in info


def _estimate(config: Experiment, options: argparse.Namespace) -> str:
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


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--tasks", nargs="+", default=list(runs.TASKS), help="configs: names or files")
    add("--budgets", nargs="+", type=float, default=[0.1, 0.5], help="wall clock a decision [s]")
    add("--episodes", type=int, default=None, help="default: the config's")
    add("--counts", nargs="+", type=int, default=None, help="members; default: all of the family")
    add("--two-models", nargs="*", type=int, default=[24], help="sparse members of that planner")
    add("--steps", type=int, default=100, help="steps of an episode, at most")
    add("--budget-seconds", type=float, default=None, help="start nothing new after this long")
    add("--workers", type=int, default=2, help="episodes at once")
    add("--engine", choices=ENGINES, default="process")
    add("--runs", type=Path, default=RUNS)
    add("--out", type=Path, default=RESULTS / "closed_loop.csv")
    add("--force", action="store_true", help="set aside episodes of another configuration")
    add("--estimate", action="store_true", help="say how long it takes, play nothing")
    add("--report-only", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
