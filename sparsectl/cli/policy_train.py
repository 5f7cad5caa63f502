"""Train a ReLU network to act on the task by PPO, SAC or TD3; what is done is not done again.

The network lands in `<runs>/<name>/policy` (of several seeds in `policy_<seed>`), with its learning
curve in policy.csv and policy.png beside it. To play it: `controllers: {ppo: {kind: policy, path:
policy}}`; a run whose controllers name it trains it first. The same command goes on after Ctrl-C
or a crash.

Example: sparsectl policy train --config rope --policy.steps 100000 --policy.reward cost
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from sparsectl.cli import locate, options, stages
from sparsectl.cli.options import Parsed, RunOptions
from sparsectl.config import from_dict
from sparsectl.errors import TrainingDiverged
from sparsectl.experiment import check
from sparsectl.files import csv_text, write_atomic
from sparsectl.policies.rl.config import PolicyTraining
from sparsectl.policies.rl.extra import require

TRAINING = "policy_training"
"""In the run's folder: where the training of every seed stands."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(RunOptions):
    """What training takes beyond the experiment."""

    algorithm: Literal["ppo", "sac", "td3", "ddpg"] | None = None
    """In place of the file's `policy.algorithm`, with that one's default settings."""


def main(argv: list[str]) -> int:
    """Parse and run."""
    parsed = options.parse(argv, "policy train", __doc__, own=TrainOptions)
    config, kind = parsed.experiment.policy, parsed.options.algorithm
    if kind not in (None, config.algorithm.kind):
        own = config.algorithm.kind
        stages.say(
            f"policy: {kind} by its defaults; the settings under policy.algorithm are {own}'s"
        )
        chosen = from_dict(PolicyTraining, {"algorithm": {"kind": kind}}).algorithm
        experiment = replace(parsed.experiment, policy=replace(config, algorithm=chosen))
        parsed = replace(parsed, experiment=experiment)
    require()
    with stages.opened(parsed.experiment, parsed.folder):
        train(parsed)
    return 0


def train(parsed: Parsed) -> None:
    """The stage itself, for every seed."""
    from sparsectl.circuits import learning
    from sparsectl.policies.rl.train import train_policy
    from sparsectl.report.figure import png

    experiment, folder = parsed.experiment, parsed.folder
    config, curves = experiment.policy, []
    stages.begin(experiment, folder)
    for seed, name in locate.policy_names(experiment).items():
        stages.say(f"policy: {config.algorithm.kind}, {config.steps} steps, seed {seed}")
        done = train_policy(
            experiment.env.id,
            experiment.env.kwargs,
            check(experiment),
            config,
            seed=seed,
            path=folder / name,
            folder=folder / TRAINING / str(seed),
            steps=experiment.evaluate.steps,
            force=parsed.force,
        )
        curves.append(done.curve)
        rows = [{k: v for k, v in row.items() if not isinstance(v, list)} for row in done.curve]
        write_atomic(folder / f"{name}.csv", csv_text(rows))
        if done.outcome == "diverged":
            raise TrainingDiverged(done.message)
        again = " before" if done.already_done else ""
        stages.say(f"policy: done{again} ({folder / name}), {_told(done.curve)}")
    drawn = learning.figure({config.algorithm.kind: curves}, experiment.name)
    write_atomic(folder / "policy.png", png(drawn))


def _told(rows: list[dict[str, Any]]) -> str:
    first, last = (r["return_mean"] for r in (rows[0], rows[-1]))
    return f"return {_number(first)} before training, {_number(last)} after"


def _number(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.4g}"
