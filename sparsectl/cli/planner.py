"""A planner of the experiment, with its model, that a command asks for labels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sparsectl import checkpoint, control, environment, runs
from sparsectl.cli import locate, options, stages
from sparsectl.cli.options import Parsed, RunOptions
from sparsectl.config import from_dict
from sparsectl.errors import ConfigError
from sparsectl.evaluate.player import Player, Setting, further_digests, load_model
from sparsectl.experiment import Experiment, check
from sparsectl.policies.config import ImitateConfig, ValueConfig
from sparsectl.task import TaskConfig


@dataclass(frozen=True, kw_only=True)
class PlannerOptions(RunOptions):
    """What such commands take beyond the experiment."""

    controller: str | None = None
    """The planner, in place of the one that the file names there."""


def parse(argv: list[str], command: str, text: str | None, section: str, what: str) -> Parsed:
    """Options, with the planner put into a section of the experiment; the run's model is there.

    Args:
        section: of the experiment that names the planner.
        what: the planner does, for messages.

    Raises:
        ConfigError: nobody is named, or a name that is none of the controllers.
        CheckpointError: there is no model for this config.
    """

    parsed = options.parse(argv, command, text, own=PlannerOptions)
    experiment = parsed.experiment
    config = getattr(experiment, section)
    name = parsed.options.controller or config.controller
    if name is None:
        known = ", ".join(experiment.controllers)
        raise ConfigError(f"say {what}: `--controller NAME`, one of {known}")
    config = dataclasses.replace(config, controller=name)
    parsed = dataclasses.replace(
        parsed, experiment=dataclasses.replace(experiment, **{section: config})
    )
    stages.check_model(parsed.experiment, parsed.folder, parsed.force)
    return parsed


def player(
    parsed: Parsed,
    config: ImitateConfig | ValueConfig,
    horizon: int,
    task_config: TaskConfig,
    steps: int | None = None,
    seconds: float | None = None,
) -> Player:
    """The planner, its model and setting.

    Args:
        config: names the planner, and its model where that is not the run's.
        horizon: steps that it looks ahead, unless its own entry says otherwise.
        steps: length of its episodes; None: as evaluation's.
        seconds: for a decision [s]; None: as its own settings say.

    Raises:
        CheckpointError: a model that is missing, damaged or of another task.
    """

    experiment, folder = parsed.experiment, parsed.folder
    evaluation, name = experiment.evaluate, str(config.controller)
    setting = Setting(
        experiment.env.id, experiment.env.kwargs, task_config, horizon,
        evaluation.steps if steps is None else steps, seconds, experiment.seed, evaluation.device,
        until_success=evaluation.until_success, data=experiment.data,
    )  # fmt: skip
    entry = locate.controllers({name: experiment.controllers[name]}, folder)[name]
    model = config.model or next(iter(entry.get("models") or ()), None)
    path = str(stages.model_folder(experiment, folder))
    if model is not None and model != stages.model_name(experiment):
        path = locate.located(evaluation.models.get(model, model), folder)
    task = check(experiment)
    digest = load_model(setting, task, path)[1]
    further = further_digests(setting, task, name, entry)
    return Player(setting, "asked", path, name, entry, digest, further)


def facts(experiment: Experiment, player: Player) -> dict[str, Any]:
    """What its answers depend on, as plain values; settings that are as by default are left out, so
    that a new one changes nothing."""

    setting = player.setting
    kind, horizon, rest = control.check(player.controller, player.config, setting.horizon)
    source = {k: rest.pop(k) for k in ("proposal",) if k in rest}
    entry = runs.beyond_defaults(from_dict(control.config_class(kind), rest))
    value = setting.task.cost.value
    return {
        "env": runs.canonical(experiment.env),
        "code": environment.code(setting.env_id, setting.env_kwargs),
        "seed": experiment.seed,
        "task": runs.beyond_defaults(setting.task),
        "end_value": None if value is None else checkpoint.content(value),
        "steps": setting.steps,
        "seconds": setting.budget,
        "until_success": setting.until_success,
        "controller": {**entry, **source, "kind": kind, "horizon": horizon},
        "model": player.digest,
        "further": dict(player.further),
    }
