"""Train the ReLU dynamics model, resuming where a killed run stopped.

Takes the transitions that `sparsectl collect` recorded, or any local Minari dataset with Box
spaces (--dataset namespace/name-v0, found in MINARI_DATASETS_PATH or ~/.minari/datasets). The
model lands in `<runs>/<name>/model`; its open-loop errors are printed next to those of
predicting no motion and of a linear model. With `online.rounds`, a controller then plays with the
model, and training goes on with what came of it: `<runs>/<name>/online/<round>`.

Example: sparsectl train --config rope --model.hidden 32 32 --train.steps 5000
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl import dynamics, runs, seeding
from sparsectl.cli import options, stages, tables
from sparsectl.cli.collect import tell_latency
from sparsectl.cli.online import online
from sparsectl.cli.options import Parsed
from sparsectl.data import Episodes, split
from sparsectl.errors import DataError
from sparsectl.experiment import Experiment, ImportedModel, TrainedModel, check, given_model

if TYPE_CHECKING:
    from sparsectl.dynamics import ModelConfig


def main(argv: list[str]) -> int:
    """Parse and run."""
    parsed = options.parse(argv, "train", __doc__)
    for stage in stages.model_stages(parsed.experiment, parsed.folder):
        stage.check(parsed.force)
    with stages.opened(parsed.experiment, parsed.folder):
        train(parsed)
    return 0


def train(parsed: Parsed) -> None:
    """The stages themselves: done once, or again when their config changed and `--force` was
    given."""

    if isinstance(parsed.experiment.model, TrainedModel):
        stages.say(f"train: nothing to do, the model is '{parsed.experiment.model.from_}'")
        tell_other_kwargs(parsed.experiment, parsed.experiment.model.from_)
        online(parsed)
        return
    if isinstance(parsed.experiment.model, ImportedModel):
        import_model(parsed, parsed.experiment.model)
        return
    train_offline(parsed)
    online(parsed)


def tell_other_kwargs(experiment: Experiment, path: str) -> None:
    """Say in which arguments the environment differs from the one that a model was trained in."""
    before = dynamics.load(path)[1].get("env_kwargs")
    if before is None:
        return
    # Models learn past a latency, and so are the same under another.
    pair = ({k: v for k, v in kw.items() if k != "delay"} for kw in (before, experiment.env.kwargs))
    found = runs.changes(*pair)
    if found:
        stages.say(
            f"train: it was trained with other env.kwargs, and predicts what those do: "
            f"{', '.join(found)}"
        )


def import_model(parsed: Parsed, model: ImportedModel) -> None:
    """In place of training: the network of a file becomes the run's model."""
    from sparsectl.dynamics.kinds import count_relus

    experiment, folder = parsed.experiment, parsed.folder
    stage = stages.train_stage(experiment, folder)
    if stage.check(parsed.force) == "done":
        stages.say(f"train: '{model.from_}' was read before ({folder / 'model'})")
        return
    found = given_model(experiment, model, check(experiment))
    assert isinstance(found, dynamics.MLPDynamics)
    stages.begin(experiment, folder)
    meta = {"env_id": experiment.env.id, "env_kwargs": experiment.env.kwargs}
    dynamics.save(found, folder / "model", meta | {"imported": stage.config["model"]})
    stage.mark(done=True)
    order = "[action; state]" if model.action_first else "[state; action]"
    told = "the next state" if model.predicts == "next" else "the change of the state"
    stages.say(
        f"train: nothing to do, '{model.from_}' takes {order} and gives {told}; "
        f"{count_relus(found)} ReLUs ({folder / 'model'})"
    )


def train_offline(parsed: Parsed) -> None:
    """Training on the collected data."""
    experiment, folder = parsed.experiment, parsed.folder
    assert not isinstance(experiment.model, TrainedModel | ImportedModel)
    stage = stages.train_stage(experiment, folder)
    state = stage.check(parsed.force)
    if state == "done":
        stages.say(f"train: done before ({folder / 'model'})")
        return
    episodes = stages.load_episodes(parsed)
    task = check(experiment)
    found = (episodes.observation_size, episodes.action_size)
    if found != (task.map.observation_size, task.nu):
        raise DataError(
            f"dataset '{episodes.dataset_id}' has observations of {found[0]} and actions of "
            f"{found[1]} numbers, '{experiment.env.id}' has {task.map.observation_size} and "
            f"{task.nu}"
        )
    if experiment.dataset is not None:
        tell_latency(task, episodes)
    stages.begin(experiment, folder)
    stage.mark(done=False)
    config, seed = experiment.train, experiment.seed
    config = dataclasses.replace(config, seed=seeding.integer(seed, "train", config.seed))
    training, test = split(episodes, 0.1, seeding.integer(seed, "test"))
    model = dynamics.build(
        experiment.model, task.map.names, task.nx, task.nu, seed=seeding.integer(seed, "model"),
        copies=task.map.copies,
    )  # fmt: skip
    if experiment.start is not None:
        dynamics.start_from(model, experiment.start)
    stages.say(f"train: {_size(experiment.model)} on {training.transitions} transitions")
    before = sum(os.times()[:4])
    result = dynamics.train(
        model, training, task.map, config, run_dir=folder, force=state in ("new", "changed"),
        trained=experiment.start is not None, log=folder / "tensorboard" / "train",
    )  # fmt: skip
    errors = dynamics.evaluate_model(result.dynamics, test, task.map, training=training)
    # Of a training that was killed, what came before is not known.
    spent = None if state == "started" else round(sum(os.times()[:4]) - before, 1)
    meta = {**_meta(experiment, episodes, result, errors), "cpu_seconds": spent}
    seen = task.map.state(np.concatenate(episodes.observations))
    meta["states"] = [seen.min(axis=0).tolist(), seen.max(axis=0).tolist()]
    dynamics.save(result.dynamics, folder / "model", meta)
    stage.mark(done=True)
    stages.say(f"train: {result.seconds:.0f} s ({folder / 'model'})")
    tables.print_errors(errors.to_dict())


def _size(config: ModelConfig) -> str:
    hidden = "x".join(map(str, config.hidden)) or "no"
    return (f"{config.members} networks of " if config.members > 1 else "") + f"{hidden} ReLUs"


def _meta(experiment: Experiment, episodes: Episodes, result: Any, errors: Any) -> dict[str, Any]:
    return {
        "env_id": experiment.env.id,
        "env_kwargs": experiment.env.kwargs,
        "dataset_id": episodes.dataset_id,
        "transitions": episodes.transitions,
        "seed": experiment.seed,
        "start": experiment.start,
        "train_seconds": round(result.seconds, 1),
        "metrics": {"validation": result.validation, "errors": errors.to_dict()},
        "history": result.history,
    }
