"""One experiment from one YAML file: environment, task, data, model, controllers, evaluation."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sparsectl import dynamics, environment
from sparsectl.checkpoint import near
from sparsectl.checks import run_name
from sparsectl.config import from_dict, load_yaml, put
from sparsectl.control import check as check_controller
from sparsectl.control import check_plans
from sparsectl.data import CollectConfig
from sparsectl.dynamics import GraphConfig, ImportedModel, MLPConfig, TrainConfig, tensorboard
from sparsectl.errors import ConfigError, SparsectlError, nearest, prefixed
from sparsectl.evaluate.config import EvaluateConfig
from sparsectl.online import OnlineConfig
from sparsectl.policies.config import ImitateConfig, ValueConfig
from sparsectl.policies.rl.config import PolicyTraining
from sparsectl.sparsify.config import SparsifyConfig
from sparsectl.task import Task, TaskConfig
from sparsectl.verify.config import VerifyConfig

if TYPE_CHECKING:
    from sparsectl.dynamics import Model


@dataclass(frozen=True)
class EnvConfig:
    """A Gymnasium environment; `--env.kwargs.name VALUE` is an argument of its constructor."""

    id: str
    """Registered id; `module:Name-v0` to import `module` first, which may lie beside the file; or
    `module:Class`."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the environment's constructor. `max_episode_steps` is Gymnasium's limit, and
    `reset_options` are the options that every reset is given, and `delay: {actions: 2,
    observations: 1}` makes it late by so many steps."""


@dataclass(frozen=True)
class TrainedModel:
    """A model that was trained before: under another goal, cost, constraint, layout or kwargs.

    With `online.rounds` it is the one that the first round plays with and trains on from, with the
    ReLUs that it has: that fits a sparse member to the states where its own planner goes.
    """

    kind: ClassVar[str] = "trained"
    from_: str
    """Its folder: `runs/x/model`, or a member of a family such as `runs/x/sparse/24`."""


@dataclass(frozen=True)
class Experiment:
    """Everything that `sparsectl run` needs to know."""

    name: str
    """Name of the run: its folder is `<runs>/<name>`."""
    env: EnvConfig
    seed: int = 0
    """Every random number follows from this one; evaluation episodes have published seeds."""
    dataset: str | None = None
    """Id of a local Minari dataset to train on; None: collect as `data` says."""
    task: TaskConfig = field(default_factory=TaskConfig)
    data: CollectConfig = field(default_factory=CollectConfig)
    model: MLPConfig | GraphConfig | ImportedModel | TrainedModel = field(default_factory=MLPConfig)
    """A network of the whole state, with `kind: graph` one of objects, with `from` one that was
    trained before, or with `from` and `predicts` one of an ONNX file: nothing is trained then."""
    start: str | None = None
    """Checkpoint of the same architecture whose weights training goes on from, in their
    normalisation; a graph model's may be of another number of objects. None: random weights."""
    train: TrainConfig = field(default_factory=TrainConfig)
    online: OnlineConfig = field(default_factory=OnlineConfig)
    """Rounds of playing with the present model and training on with what came of it."""
    sparsify: SparsifyConfig = field(default_factory=SparsifyConfig)
    """How `sparsectl sparsify` makes models with fewer ReLUs."""
    horizon: int = 5
    """Steps that are planned ahead."""
    controllers: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {k: {} for k in ("mip", "mppi", "cem", "gradient")}
    )
    """Controllers by name; `kind` says which one where the name does not."""
    policy: PolicyTraining = field(default_factory=PolicyTraining)
    """How `sparsectl policy train` trains a network by reinforcement."""
    imitate: ImitateConfig = field(default_factory=ImitateConfig)
    """A policy network that learns to do what one of the controllers does."""
    value: ValueConfig = field(default_factory=ValueConfig)
    """A network that says what the end of a plan is worth, see `task.cost.value`."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    verify: VerifyConfig = field(default_factory=VerifyConfig)
    """The worst that a controller does over a box of start states: `sparsectl verify`."""

    @property
    def given(self) -> bool:
        """Whether the model is taken as it is, so that nothing is collected or trained."""
        return isinstance(self.model, TrainedModel | ImportedModel) and not self.online.rounds

    def __post_init__(self) -> None:
        run_name(self.name)
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, expected at least 0")
        if self.horizon < 1:
            raise ConfigError(f"horizon is {self.horizon}, expected at least 1")
        before = isinstance(self.model, TrainedModel | ImportedModel)
        if before and self.start is not None:
            raise ConfigError(
                "model.from takes a model as it is: leave out `start`, or give the checkpoint as "
                "`start`, with `hidden` as its own, to train on from it"
            )
        if isinstance(self.model, ImportedModel) and self.online.rounds:
            raise ConfigError(
                "model.from takes the network of a file as it is: leave out `online.rounds`, or "
                "give the folder of the model that `sparsectl train` made of it"
            )
        if self.task.observation.delay == "auto" and (before or self.dataset is not None):
            raise ConfigError(
                "task.observation.delay: auto is found in data that are collected here: give the "
                "number of steps"
            )
        if not self.controllers:
            raise ConfigError("controllers: give at least one, for example `mip: {}`")
        for name, entry in self.controllers.items():
            if not name.isidentifier():
                raise ConfigError(f"controllers: '{name}' is no name: use letters, digits and _")
            kind = check_controller(name, entry, self.horizon)[0]
            self.evaluate.check_kind(name, kind)
        for section, asked in (("imitate", self.imitate), ("value", self.value)):
            if asked.controller is not None and asked.controller not in self.controllers:
                raise ConfigError(
                    f"{section}: controller '{asked.controller}' is none of `controllers`"
                    + nearest(asked.controller, self.controllers)
                )
        with prefixed("online: controller", ConfigError):
            check_controller("online", self.online.controller, self.horizon)


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read and check an experiment. Nothing is created.

    Args:
        overrides: values by dotted name that replace the file's, e.g. `{"train.epochs": 5}`.

    Raises:
        ConfigError: missing file, unknown key (with the nearest valid one), wrong type or
            value, unknown environment, or names and sizes that do not fit the environment.
        MissingExtra: the environment's package is not installed.
    """
    data = load_yaml(path)
    importable_beside(path)
    for name, value in (overrides or {}).items():
        put(data, name, value)
    experiment = from_dict(Experiment, data, str(path))
    check(experiment, str(path))
    return experiment


def importable_beside(path: str | Path) -> None:
    """Let `module:Name-v0` and `module:function` name modules beside a config file.

    They come last, so that they hide nothing that is installed.
    """
    for folder in (str(Path(path).resolve().parent), os.getcwd()):
        if folder not in sys.path:
            sys.path.append(folder)


def check(experiment: Experiment, where: str = "config") -> Task:
    """Fit an experiment to its environment: the sizes, names and actions must agree.

    Raises:
        ConfigError, MissingExtra: see `load`.
    """
    if experiment.train.tensorboard:
        tensorboard.require()
    start = experiment.start
    if start is not None and not (Path(start) / "meta.json").is_file():
        raise ConfigError(f"{where}: start: no checkpoint in '{start}'" + near(start))
    with prefixed(where, SparsectlError):
        with environment.make(experiment.env.id, experiment.env.kwargs) as env:
            task = Task.of(experiment.task, env)
            limit = experiment.evaluate.steps
            if limit is None and env.spec is not None:
                limit = env.spec.max_episode_steps
            contact = getattr(env.unwrapped, "collect_episodes", None) is not None
        if experiment.dataset is None and experiment.data.policy == "contact" and not contact:
            raise ConfigError(
                f"data.policy: '{experiment.env.id}' has no contact-seeking collector: use "
                "'random' or 'auto'"
            )
        if isinstance(experiment.model, TrainedModel | ImportedModel):
            given_model(experiment, experiment.model, task)
        else:
            dynamics.check(experiment.model, task.map.names, task.nx, task.nu)
        if limit is not None:
            experiment.task.constraints.check_windows(limit)
        for name, entry in experiment.controllers.items():
            check_plans(task, name, entry, experiment.horizon, f"controllers.{name}")
        if experiment.online.rounds:
            player = experiment.online.controller
            check_plans(task, "online", player, experiment.horizon, "online.controller")
    return task


def given_model(experiment: Experiment, model: TrainedModel | ImportedModel, task: Task) -> Model:
    """The model that was trained before.

    Raises:
        CheckpointError: it is not there, or is of another environment, state or action.
        ConfigError, ShapeError, MissingExtra: see `dynamics.from_onnx`.
    """
    if isinstance(model, ImportedModel):
        return dynamics.from_onnx(
            model.from_, nx=task.nx, nu=task.nu, predicts=model.predicts, names=task.map.names,
            scales=model.scales, action_first=model.action_first,
        )  # fmt: skip
    if Path(model.from_).is_file():
        raise ConfigError(
            f"model.from: '{model.from_}' is a file: an ONNX file needs `predicts: next` or "
            "`predicts: change` beside it, a model of a run is named by its folder"
        )
    found, meta = dynamics.load(model.from_)
    dynamics.check_compatible(
        meta, env_id=experiment.env.id, dynamics=found, nx=task.nx, nu=task.nu,
        names=task.map.names, where=f"model.from: '{model.from_}'",
    )  # fmt: skip
    return found
