"""What a whole run will need, asked for before anything is created."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl import control, dynamics, environment, seeding
from sparsectl.errors import CheckpointError, ConfigError, prefixed
from sparsectl.experiment import Experiment, ImportedModel, TrainedModel, check, given_model

_DISTANCE = re.compile(r"dist|err|norm|deviation|offset|residual", re.IGNORECASE)


def check_run(
    experiment: Experiment,
    controllers: Mapping[str, Mapping[str, Any]],
    models: Mapping[str, str],
    made: Collection[str] = (),
) -> None:
    """Refuse what would fail only after collecting and training.

    Every controller is built once, with an untrained model; those that name checkpoints that the
    run is still to make are left out.

    Args:
        controllers: its controllers, with the checkpoints that they name located.
        made: checkpoints that the run is still to make, as they are named.

    Raises:
        ConfigError: no limit on the length of an episode, a device that is not there, settings
            that a controller refuses, or `info` entries that are not as the contract says.
        CheckpointError: a further model that is not there.
        MissingExtra: a solver that is not installed.
    """
    from sparsectl.dynamics.lower import programs

    evaluation, late = experiment.evaluate, experiment.task.observation.delay
    environment.step_limit(experiment.env.id, experiment.env.kwargs, evaluation.steps)
    recorded = experiment.dataset is None and not experiment.given
    if recorded and late != "auto" and late >= experiment.data.episode_steps:
        raise ConfigError(
            f"task.observation.delay is {late}: episodes of data.episode_steps = "
            f"{experiment.data.episode_steps} are over before an action shows"
        )
    for where, device in (("train", experiment.train.device), ("evaluate", evaluation.device)):
        with prefixed(f"{where}.device", ConfigError):
            dynamics.select_device(device)
    for name, path in models.items():
        if not (Path(path) / "meta.json").is_file():
            raise CheckpointError(f"evaluate.models.{name}: no checkpoint in '{path}'")
    task = check(_uncovered(experiment))  # margins are those of a trained model
    if isinstance(experiment.model, TrainedModel | ImportedModel):
        model = given_model(experiment, experiment.model, task)
    else:
        parts = task.map
        model = dynamics.build(experiment.model, parts.names, task.nx, task.nu, copies=parts.copies)
    program = programs(model)
    for name, entry in controllers.items():
        if any(path in made for path in control.checkpoints(name, entry).values()):
            continue
        control.attempt(name, entry, task, model, program, experiment.horizon, evaluation.device)


def _uncovered(experiment: Experiment) -> Experiment:
    task = experiment.task
    plain = replace(task, constraints=task.constraints.without_margins)
    return replace(experiment, task=plain)


def unread(experiment: Experiment) -> str | None:
    """What the environment reports of the task and nobody reads, in one line, or None.

    Tables and reports read `info["error"]`, one number: the distance to the goal in a unit of the
    environment's choice, and `info["is_success"]`: whether the task is solved in this step.

    Raises:
        ConfigError: one of these is something else.
    """
    with environment.make(experiment.env.id, experiment.env.kwargs) as env:
        _, first = env.reset(seed=seeding.EVALUATION_SEED)
        idle = np.clip(0.0, env.action_space.low, env.action_space.high)  # type: ignore[attr-defined]
        info = {**first, **env.step(idle.astype(env.action_space.dtype))[4]}
    where = f"environment '{experiment.env.id}' reports info"
    environment.success(info, experiment.env.id)
    if environment.error(info, experiment.env.id) is not None:
        return None
    dropped = [k for k, v in info.items() if _DISTANCE.search(str(k)) and _is_number(v)]
    if not dropped:
        return None
    return (
        f"{where}[{dropped[0]!r}], which is not read: tables take the distance to the goal from "
        "info['error'], and without it the task's cost of the last state"
    )


def _is_number(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(np.asarray(value).item())))
    except (TypeError, ValueError):
        return False
