"""Train a network to do what a planner does, resuming where a killed run stopped.

Dataset aggregation: the planner acts in the first round, later the network does and the planner
says what it would have done; the network is trained on all answers so far. Microseconds a decision
from a planner of seconds. The network lands in `<runs>/<name>/imitation`, the learning curve in
imitation.csv beside it. To play it: `controllers: {imitation: {kind: policy, path: imitation}}`.

Example: sparsectl policy imitate --config rope --controller mip --imitate.seconds 0.2
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparsectl.cli.options import RunOptions

if TYPE_CHECKING:
    from sparsectl.cli.options import Parsed
    from sparsectl.evaluate.player import Player
    from sparsectl.experiment import Experiment

FOLDER = "imitation"
"""In the run's folder."""


@dataclass(frozen=True, kw_only=True)
class ImitateOptions(RunOptions):
    """What imitation takes beyond the experiment."""

    controller: str | None = None
    """Who is imitated, in place of the file's `imitate.controller`."""


def main(argv: list[str]) -> int:
    """Parse and run."""
    from sparsectl.cli import options, stages
    from sparsectl.errors import ConfigError

    parsed = options.parse(argv, "policy imitate", __doc__, own=ImitateOptions)
    experiment = parsed.experiment
    name = parsed.options.controller or experiment.imitate.controller
    if name is None:
        known = ", ".join(experiment.controllers)
        raise ConfigError(f"say who is imitated: `--controller NAME`, one of {known}")
    config = dataclasses.replace(experiment.imitate, controller=name)
    parsed = dataclasses.replace(parsed, experiment=dataclasses.replace(experiment, imitate=config))
    stages.check_model(parsed.experiment, parsed.folder, parsed.force)
    with stages.opened(parsed.experiment, parsed.folder):
        imitate(parsed)
    return 0


def imitate(parsed: Parsed) -> None:
    """The stage itself: done once, or again when its config changed and `--force` was given."""
    from sparsectl.bar import Bar
    from sparsectl.cli import stages
    from sparsectl.experiment import check
    from sparsectl.files import csv_text, write_atomic
    from sparsectl.imitate import Labeller
    from sparsectl.policies import checkpoint, imitation

    experiment, folder = parsed.experiment, parsed.folder
    config, path = experiment.imitate, folder / FOLDER
    player = _player(parsed)
    stage = stages.Stage(FOLDER, folder, _facts(experiment, player))
    state, labels = stage.check(parsed.force), path.with_name(f"{FOLDER}-labels")
    if state == "done" and checkpoint.load(path)[1]["rounds"] >= config.rounds:
        stages.say(f"imitate: done before ({path})")
        return
    labeller = Labeller(player, experiment.evaluate.engine, experiment.evaluate.workers)
    labeller.check()
    if state == "changed":
        shutil.rmtree(labels, ignore_errors=True)
    stages.begin(experiment, folder)
    stage.mark(done=False)
    stages.say(
        f"imitate: {config.controller} of {config.rounds} rounds of {config.episodes} episodes"
    )
    total = config.rounds * config.episodes
    task = check(experiment)
    with Bar(total=total, desc="imitate", unit="episodes") as bar:

        def seen(count: int) -> None:
            bar.update(count - bar.n)

        found = imitation.imitate(
            config,
            labeller,
            (task.u_low, task.u_high),
            folder=labels,
            fingerprint=stage.config,
            on_episode=seen,
            on_round=lambda row: stages.say(_told(row)),
        )
    env = experiment.env
    meta = {
        "env_id": env.id,
        "env_kwargs": env.kwargs,
        "made_by": f"imitation of {config.controller}",
        "rounds": config.rounds,
        **found.facts,
        "planner": {k: stage.config[k] for k in ("controller", "model")},
    }
    checkpoint.save(found.network, path, meta)
    write_atomic(path.with_suffix(".csv"), csv_text(found.curve))
    stage.mark(done=True)
    stages.say(f"imitate: {path}")


def _player(parsed: Parsed) -> Player:
    """The planner that is imitated, with its model."""
    from sparsectl.cli import locate, stages
    from sparsectl.evaluate.player import Player, Setting, further_digests, load_model
    from sparsectl.experiment import check

    experiment, folder, config = parsed.experiment, parsed.folder, parsed.experiment.imitate
    evaluation, name = experiment.evaluate, str(config.controller)
    setting = Setting(
        experiment.env.id, experiment.env.kwargs, experiment.task, experiment.horizon,
        evaluation.steps if config.steps is None else config.steps, config.seconds,
        experiment.seed, evaluation.device, until_success=evaluation.until_success,
        data=experiment.data,
    )  # fmt: skip
    entry = locate.controllers({name: experiment.controllers[name]}, folder)[name]
    model = config.model or next(iter(entry.get("models") or ()), None)
    path = str(stages.model_folder(experiment, folder))
    if model is not None and model != stages.model_name(experiment):
        path = locate.located(evaluation.models.get(model, model), folder)
    task = check(experiment)
    digest = load_model(setting, task, path)[1]
    further = further_digests(setting, task, name, entry)
    return Player(setting, "imitated", path, name, entry, digest, further)


def _facts(experiment: Experiment, player: Player) -> dict[str, Any]:
    """What the result depends on, as plain values."""
    from sparsectl.config import to_dict
    from sparsectl.policies.imitation import lasting

    values, setting = to_dict(experiment), player.setting
    return {
        **{k: values[k] for k in ("env", "seed", "task", "horizon")},
        "steps": setting.steps,
        "until_success": setting.until_success,
        "controller": to_dict(player.config),
        "model": player.digest,
        "further": dict(player.further),
        "imitate": lasting(experiment.imitate),
    }


def _told(row: Mapping[str, Any]) -> str:
    """A row of the curve in a line."""
    known = {k: row[k] for k in ("return", "final_error", "success") if row[k] is not None}
    score = ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in known.items())
    return (
        f"imitate: round {row['round']}, {row['labels']} labels: {score}; held-out error "
        f"{row['held_out_error']:.3g}"
    )
