"""Stages of a run: each knows the config it was made with, and is done once."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsectl import control, data, dynamics, environment, runs
from sparsectl.cli import locate
from sparsectl.config import dump_yaml, to_dict
from sparsectl.dynamics.config import lasting
from sparsectl.dynamics.imported_config import ImportedModel
from sparsectl.errors import CheckpointError, ConfigError, DataError, nearest
from sparsectl.experiment import Experiment, TrainedModel, check
from sparsectl.files import read_json, write_atomic, write_json
from sparsectl.runs import held

if TYPE_CHECKING:
    from sparsectl.cli.options import Parsed
    from sparsectl.data import Episodes


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: `collect`, `train` or `online_<round>`.
        config: everything its result depends on, as plain values.
    """

    name: str
    folder: Path
    config: Mapping[str, Any]

    @property
    def record(self) -> Path:
        """File that says what the stage was made with and whether it is finished."""
        return self.folder / "stages" / f"{self.name}.json"

    def check(self, force: bool) -> str:
        """`new`, `started` (to be resumed), `changed` (to be redone) or `done`.

        Raises:
            ConfigError: it was made with another config and `force` is off.
        """
        if not self.record.exists():
            return "new"
        before = read_json(self.record)
        read = "what is at a path that online.controller or task.cost.value names"
        named = {"code": "the code of the environment", "read": read}
        changes = runs.changes(before.get("config", {}), self.config, named=named)
        if not changes:
            return "done" if before.get("done") else "started"
        if not force:
            raise ConfigError(
                f"'{self.folder}' was made with another config: {changes[0]}"
                + (f" and {len(changes) - 1} more" if len(changes) > 1 else "")
                + f"; give another --name, or --force to {self.name} again"
            )
        return "changed"

    def mark(self, *, done: bool, **found: Any) -> None:
        """Write the record, with what was found besides the stage's result."""
        write_json(self.record, {"config": self.config, "done": done, **found})


def collect_stage(experiment: Experiment, folder: Path) -> Stage:
    """Recording transitions."""
    values = to_dict(experiment)
    config = {k: values[k] for k in ("env", "seed", "data")}
    code = environment.code(experiment.env.id, experiment.env.kwargs)
    if code is not None:
        config["code"] = code
    limits = experiment.task.action
    if (limits.low, limits.high) != (None, None) and not _bounded(experiment):
        config["action"] = values["task"]["action"]  # random actions are drawn from it
    return Stage("collect", folder, config)


def with_delay(experiment: Experiment, folder: Path) -> Experiment:
    """The same with the delay that was found in its data, where that is asked for and known."""
    task = experiment.task
    if task.observation.delay != "auto":
        return experiment
    stage = collect_stage(experiment, folder)
    found = read_json(stage.record).get("delay") if stage.check(True) == "done" else None
    if found is None:
        return experiment
    observation = replace(task.observation, delay=found)
    return replace(experiment, task=replace(task, observation=observation))


def _bounded(experiment: Experiment) -> bool:
    """Whether the environment's own action box has no open side."""
    with environment.make(experiment.env.id, experiment.env.kwargs) as env:
        box: Any = env.action_space
    return bool(environment.is_bounded(box.low, box.high).all())


def train_stage(experiment: Experiment, folder: Path) -> Stage:
    """Training the model; the state it predicts is part of its config, costs are not."""
    values = to_dict(experiment)
    if isinstance(experiment.model, ImportedModel):
        content = Path(experiment.model.from_).read_bytes()
        return Stage(
            "train",
            folder,
            {
                "env": values["env"],
                "state": values["task"]["observation"]["state"],
                "model": values["model"] | {"sha256": hashlib.sha256(content).hexdigest()},
            },
        )
    source = {"dataset": experiment.dataset}
    if experiment.dataset is None:
        source = dict(collect_stage(experiment, folder).config)
    config = {
        **source,
        "env": values["env"],
        "seed": values["seed"],
        "state": values["task"]["observation"]["state"],
        "model": values["model"],
        "train": lasting(values["train"]),
    }
    if experiment.task.observation.delay == "auto":
        raise ConfigError(
            "task.observation.delay: auto is found by `sparsectl collect`: run it first, with "
            "--force where it was run before"
        )
    if experiment.task.observation.delay:
        config["delay"] = values["task"]["observation"]["delay"]
    if experiment.start is not None:
        config["start"] = {"path": experiment.start, "sha256": _content(Path(experiment.start))}
    if isinstance(experiment.model, TrainedModel):
        config["model"] |= {"sha256": _content(Path(experiment.model.from_))}
    return Stage("train", folder, config)


def _content(checkpoint: Path) -> dict[str, str] | None:
    """Checksums of a checkpoint, or None where there is none to read."""
    path = checkpoint / "meta.json"
    return read_json(path).get("sha256") if path.is_file() else None


def round_stage(experiment: Experiment, folder: Path, number: int) -> Stage:
    """One round of playing and training on; what plans follow is part of its config: costs, what
    is in checkpoints, and code of the user's own."""
    values = to_dict(experiment)
    online = {k: v for k, v in values["online"].items() if k != "rounds"}
    if experiment.online.steps is None:
        online["steps"] = experiment.evaluate.steps
    config = {
        **train_stage(experiment, folder).config,
        "task": values["task"],
        "horizon": experiment.horizon,
        "online": online,
    }
    entry = locate.controllers({"online": experiment.online.controller}, folder)["online"]
    paths = {**control.checkpoints("online", entry), "value": experiment.task.cost.value}
    read = {k: _content(Path(path)) for k, path in paths.items() if path is not None}
    outside = control.outside("online", entry, experiment.horizon)
    if read or outside:
        config["read"] = runs.digest([read, outside])
    return Stage(f"online_{number}", folder, config)


def model_stages(experiment: Experiment, folder: Path) -> list[Stage]:
    """Every stage that the run's model comes from, after the collected data."""
    rounds = range(1, experiment.online.rounds + 1)
    first = [] if isinstance(experiment.model, TrainedModel) else [train_stage(experiment, folder)]
    return [
        *first,
        *(round_stage(experiment, folder, number) for number in rounds),
    ]


def model_folder(experiment: Experiment, folder: Path, rounds: int | None = None) -> Path:
    """Checkpoint after all rounds, or after some: `model`, and then `online/<round>`."""
    rounds = experiment.online.rounds if rounds is None else rounds
    if isinstance(experiment.model, TrainedModel) and not rounds:
        return Path(experiment.model.from_)
    return folder / "online" / str(rounds) if rounds else folder / "model"


def model_name(experiment: Experiment) -> str:
    """What tables call the run's model: its hidden layers."""
    config = experiment.model
    if isinstance(config, TrainedModel):
        config = dynamics.load(config.from_)[0].config
    if isinstance(config, ImportedModel):
        return Path(config.from_).stem
    return "x".join(map(str, config.hidden)) or "affine"


def check_model(experiment: Experiment, folder: Path, force: bool) -> Path:
    """Folder of the run's model.

    Raises:
        CheckpointError: it was not trained, or not to the end.
        ConfigError: it was trained with another config and `force` is off.
    """
    path = model_folder(experiment, folder)
    if any(stage.check(force) != "done" for stage in model_stages(experiment, folder)):
        raise CheckpointError(
            f"no model for this config in '{path}': run `sparsectl train` with it first (or "
            "`sparsectl run`)"
        )
    return path


def dataset_id(experiment: Experiment) -> str:
    """Minari id of what the collect stage records."""
    return data.dataset_id(experiment.env.id, experiment.data.policy)


def asked_model(parsed: Parsed) -> Path:
    """Folder of the model that a command with `--model` works with.

    Raises:
        CheckpointError: there is none.
    """
    experiment, folder, given = parsed.experiment, parsed.folder, parsed.options.checkpoint
    if given is None:
        return check_model(experiment, folder, parsed.force)
    path = Path(locate.located(experiment.evaluate.models.get(given, given), folder))
    if not (path / "meta.json").is_file():
        members = [f"sparse/{p.parent.name}" for p in folder.glob("sparse/*/meta.json")]
        raise CheckpointError(
            f"--model: no checkpoint '{given}'"
            + nearest(given, [*experiment.evaluate.models, *members])
        )
    return path


@contextmanager
def opened(experiment: Experiment, folder: Path) -> Iterator[None]:
    """The run's folder, held by one process at a time; its config is saved by `begin`, or at the
    end of what did not fail.

    Raises:
        FileError: the folder cannot be written.
        ConfigError: another process works on this run.
    """
    with held(folder):
        yield
        begin(experiment, folder)


def begin(experiment: Experiment, folder: Path) -> None:
    """Save the config: a stage's checks have passed, and it begins to write."""
    write_atomic(folder / "config.yaml", dump_yaml(experiment))


def say(message: str) -> None:
    """Progress goes to stderr: stdout holds results only."""
    print(message, file=sys.stderr, flush=True)


def load_episodes(parsed: Parsed) -> Episodes:
    """The transitions that the run's config names.

    Raises:
        DataError: not collected, or of another environment.
    """
    experiment = parsed.experiment
    if experiment.dataset is None:
        root, name = parsed.folder / "data", dataset_id(experiment)
        if collect_stage(experiment, parsed.folder).check(parsed.force) != "done":
            raise DataError(
                f"no transitions for this config in '{root}': run `sparsectl collect` with it "
                "first (or `sparsectl run`)"
            )
        return data.load_minari(name, root, used=check(experiment).map.used)
    env, used = experiment.env, check(experiment).map.used
    return data.load_minari(experiment.dataset, env_id=env.id, env_kwargs=env.kwargs, used=used)
