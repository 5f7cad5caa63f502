"""A controller with a model in a setting, as plain values that any process can build."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsectl import checkpoint, control, dynamics, environment
from sparsectl.config import from_dict, put, to_dict
from sparsectl.data import CollectConfig
from sparsectl.errors import CheckpointError, prefixed
from sparsectl.runs.fingerprint import beyond_defaults, digest
from sparsectl.task import Task, TaskConfig

if TYPE_CHECKING:
    from sparsectl.dynamics.calibration import Rollouts


@dataclass(frozen=True)
class Setting:
    """What all controllers of a comparison share: environment, task and limits.

    Attributes:
        horizon: planned steps, unless a controller's own entry says otherwise.
        budget: wall-clock time per decision [s], or None.
        stall_noise, until_success: see `EvaluateConfig`.
        data: how the rollouts are recorded that margins are taken from, see `Rollouts`.
    """

    env_id: str
    env_kwargs: Mapping[str, Any]
    task: TaskConfig
    horizon: int
    steps: int | None
    budget: float | None
    seed: int
    device: str = "cpu"
    stall_noise: float = 0.0
    until_success: bool = False
    data: CollectConfig = field(default_factory=CollectConfig)

    @property
    def rollouts(self) -> Rollouts:
        """What a model's errors are measured on where constraints are drawn in."""
        from sparsectl.dynamics.calibration import Rollouts

        return Rollouts(self.env_id, self.env_kwargs, self.data, self.seed)


@dataclass(frozen=True)
class Player:
    """A controller with a model.

    Attributes:
        further: digests of the checkpoints that the entry names itself, by key.
    """

    setting: Setting
    model: str
    checkpoint: str
    controller: str
    config: Mapping[str, Any]
    digest: str
    further: Mapping[str, str] = field(default_factory=dict)

    def build(self) -> Any:
        """The controller, supervised if there is a budget.

        Raises:
            CheckpointError: missing, damaged, or of another task.
            ConfigError: the controller's entry.
        """
        from sparsectl.dynamics.lower import programs

        setting = self.setting
        task, model = self.prepared()
        program = programs(model)
        arguments = (task, model, program, setting.horizon, setting.device)
        inner = control.build(self.controller, self.config, *arguments)
        if setting.stall_noise:
            inner = control.StallNoise(inner, program, setting.stall_noise)
        if setting.budget is None:
            return inner
        sampler = control.build("fallback", {"kind": "mppi", "horizon": inner.horizon}, *arguments)
        limits = control.SupervisedConfig(
            budget=setting.budget, margin=min(0.01, setting.budget / 10)
        )
        return control.Supervised(inner, program, limits, sampler)

    def prepared(self, workers: int = 1) -> tuple[Task, Any]:
        """The task, drawn in for the model where it has a coverage, and the model.

        Raises:
            CheckpointError, ConfigError, DataError, FileError: see `dynamics.calibrate`.
        """
        setting = self.setting
        task = make_task(setting)
        model, found = load_model(setting, task, self.checkpoint)
        horizon = control.check(self.controller, self.config, setting.horizon)[1]
        task = dynamics.calibrate(
            task, model, self.checkpoint, found, horizon, setting.rollouts, workers
        )
        return task, model

    @property
    def key(self) -> str:
        """Digest of everything that a result of this player depends on, except the episode.

        The same for two spellings of one thing: `1` and `1.0`, a default given or left out.
        """
        code = environment.code(self.setting.env_id, self.setting.env_kwargs)
        return digest({**self._now(), **({} if code is None else {"code": code})})

    def _now(self) -> dict[str, Any]:
        kind, horizon, rest = control.check(self.controller, self.config, self.setting.horizon)
        cls = control.config_class(kind)
        own = {k: v for k, v in rest.items() if k != "proposal"}
        entry = {k: v for k, v in rest.items() if k == "proposal"}
        entry |= beyond_defaults(from_dict(cls, own))
        return self._facts(kind, horizon, entry, beyond_defaults(self.setting.task))

    def earlier_keys(self, steps: int | None) -> tuple[str, str]:
        """The same as it was before the environment's code counted, and as version 0.1 made it,
        from entry and `steps` as they were spelled."""
        resolved = control.check(self.controller, self.config, self.setting.horizon)
        spelled = replace(self, setting=replace(self.setting, steps=steps))
        first = spelled._facts(*resolved, _earlier(to_dict(self.setting.task)))
        return digest(self._now()), digest(first, exact=True)

    def _facts(
        self, kind: str, horizon: int, entry: Mapping[str, Any], task: Any
    ) -> dict[str, Any]:
        # What a checkpoint holds counts, not where it lies.
        named = copy.deepcopy(dict(entry))
        for key, found in self.further.items():
            put(named, key, found)
        resolved = (kind, horizon, named)
        facts: dict[str, Any] = {
            "env": [self.setting.env_id, to_dict(self.setting.env_kwargs)],
            "task": task,
            "steps": self.setting.steps,
            "budget": self.setting.budget,
            "seed": self.setting.seed,
            "checkpoint": self.digest,
            "controller": [self.controller, *to_dict(resolved)],
        }
        if self.setting.stall_noise:  # digests of results without these stay as they were
            facts["stall_noise"] = self.setting.stall_noise
        if self.setting.until_success:
            facts["until_success"] = True
        if any(region.between for region in self.setting.task.constraints.keep_out):
            facts["between"] = True  # results of before held at planned points only
        if self.setting.task.cost.value is not None:  # what it holds, not where it lies
            facts["value"] = checkpoint.load_tensors(self.setting.task.cost.value).meta["sha256"]
        if self.setting.task.constraints.coverage is not None:
            facts["rollouts"] = beyond_defaults(self.setting.data)
        return facts


_LATER = (
    "levels", "integer", "semicontinuous", "rate", "blocks", "when", "price", "boxes", "path",
    "coverage", "coverage_steps", "value", "delay",
)  # fmt: skip
"""Fields of tasks that version 0.1 did not have."""


def _earlier(task: Any) -> Any:
    """Plain form of a task without what version 0.1 did not have, as far as it is not used."""
    if isinstance(task, Mapping):
        unused = {k for k in _LATER if k in task and task[k] in (None, False, "always")}
        return {k: _earlier(v) for k, v in task.items() if k not in unused}
    return [_earlier(v) for v in task] if isinstance(task, list) else task


def make_task(setting: Setting) -> Task:
    """The task bound to the environment's spaces."""
    with environment.make(setting.env_id, setting.env_kwargs) as env:
        task = Task.of(setting.task, env)
    return task


def load_model(setting: Setting, task: Task, path: str | Path) -> tuple[Any, str]:
    """A model and a digest of its content.

    Raises:
        CheckpointError: missing, damaged, or trained for another task.
    """
    model, meta = dynamics.load(path)
    dynamics.check_compatible(
        meta,
        env_id=setting.env_id,
        dynamics=model,
        nx=task.nx,
        nu=task.nu,
        names=task.map.names,
        where=path,
    )
    return model, digest(meta["sha256"])


def further_digests(
    setting: Setting, task: Task, name: str, entry: Mapping[str, Any] | None
) -> dict[str, str]:
    """Digests of what a controller's entry names itself: checkpoints by key, code as `outside`.

    Raises:
        CheckpointError: one of them is missing, damaged, or of another task.
    """
    found = {}
    for key, path in control.checkpoints(name, entry).items():
        with prefixed(f"controllers.{name}.{key}", CheckpointError):
            if key in control.policies(name, entry):  # whether it fits, it is asked when built
                found[key] = digest(checkpoint.load_tensors(path).meta["sha256"])
            else:
                found[key] = load_model(setting, task, path)[1]
    outside = control.outside(name, entry, setting.horizon)
    return found if outside is None else {**found, "outside": outside}
