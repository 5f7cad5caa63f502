"""Fit a network that says what the end of a plan is worth, for planners with short horizons.

A planner that looks further ahead (`value.horizon`) plans at states of the collected data and in
episodes that it plays; what its plans cost is what those states are worth. The network of ReLUs
lands in `<runs>/<name>/value`, and stands in the cost of every planner by
`task: {cost: {value: runs/<name>/value}}`: samplers, gradient, and mip by solvers.

Example: sparsectl policy value --config cartpole --controller cem --value.horizon 12
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sparsectl import runs, seeding
from sparsectl.bar import Bar
from sparsectl.cli import planner, stages
from sparsectl.cli.options import Parsed
from sparsectl.evaluate.player import Player
from sparsectl.experiment import check
from sparsectl.task import TaskConfig
from sparsectl.task.value import save

FOLDER = "value"
"""In the run's folder."""


def main(argv: list[str]) -> int:
    """Parse and run."""
    parsed = planner.parse(argv, "policy value", __doc__, "value", "who plans ahead")
    with stages.opened(parsed.experiment, parsed.folder):
        value(parsed)
    return 0


def value(parsed: Parsed) -> None:
    """The stage itself: done once, or again when its config changed and `--force` was given."""
    from sparsectl.imitate import Labeller, Priced, prices
    from sparsectl.policies.value import fit_value

    experiment, folder, config = parsed.experiment, parsed.folder, parsed.experiment.value
    path = folder / FOLDER
    player = planner.player(parsed, config, config.horizon, _even(experiment.task))
    player = replace(player, config={**player.config, "horizon": config.horizon})
    facts = {**planner.facts(experiment, player), "value": runs.beyond_defaults(config)}
    stage = stages.Stage(FOLDER, folder, facts)
    if stage.check(parsed.force) == "done":
        stages.say(f"value: done before ({path})")
        return
    labeller = Labeller(player, experiment.evaluate.engine, experiment.evaluate.workers)
    labeller.check()
    seen = np.concatenate([e[:-1] for e in stages.load_episodes(parsed).observations])
    rng = seeding.generator(config.seed, "value states")
    seen = seen[rng.choice(len(seen), min(config.states, len(seen)), replace=False)]
    stages.begin(experiment, folder)
    stage.mark(done=False)
    stages.say(
        f"value: {config.controller}, {config.horizon} steps ahead, at {len(seen)} states and in "
        f"{config.episodes} episodes"
    )
    env = experiment.env
    meta = {
        "env_id": env.id,
        "env_kwargs": env.kwargs,
        "made_by": f"{config.controller}, {config.horizon} steps ahead",
    }
    found: list[Priced] = []
    with Bar(desc="value", unit="groups") as bar:
        for k in range(config.rounds + 1):
            found += prices(
                labeller, seen[: 0 if k else None], config.episodes, config.exploration,
                seeding.integer(config.seed, "prices", *([k] if k else [])), bar.update,
                steps=config.steps, actor=_short(parsed, player, path) if k else None,
            )  # fmt: skip
            costs = np.concatenate([f.costs for f in found])
            groups = np.repeat(np.arange(len(found)), [len(f.costs) for f in found])
            inputs = np.concatenate([f.inputs for f in found])
            network, fitted = fit_value(config, check(experiment), inputs, costs, groups)
            held = fitted.held_out
            facts = {"states": len(costs), "mean_cost": float(costs.mean()), "held_out_error": held}
            save(network, path, {**meta, **facts})
    stage.mark(done=True)
    stages.say(f"value: {len(costs)} states, mean {costs.mean():.4g} ({path})")


def _short(parsed: Parsed, far: Player, value: Path) -> Player:
    """The planner with the experiment's horizon and a value at its end."""
    experiment = parsed.experiment
    task = replace(experiment.task, cost=replace(experiment.task.cost, value=str(value)))
    short = planner.player(parsed, experiment.value, experiment.horizon, task)
    return replace(short, config={**far.config, "horizon": experiment.horizon})


def _even(task: TaskConfig) -> TaskConfig:
    """The task with the same weight at every step and nothing after the last one."""
    terms = [replace(term, terminal_weight=None) for term in task.cost.terms]
    return replace(task, cost=replace(task.cost, terms=terms, value=None))
