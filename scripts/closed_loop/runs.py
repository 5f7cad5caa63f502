"""Runs of the closed-loop studies: a dense model and its sparsified family, made where missing.

A run that exists is taken as it is; what it lacks is made by the stages of `sparsectl collect`,
`train` and `sparsify`, with the run's own config.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsectl import dynamics, experiment
from sparsectl.cli import options as cli_options
from sparsectl.cli import stages
from sparsectl.cli.collect import collect
from sparsectl.cli.options import Parsed
from sparsectl.cli.sparsify import FOLDER, sparsify
from sparsectl.cli.train import train
from sparsectl.config import to_dict
from sparsectl.dynamics.kinds import count_relus
from sparsectl.runs import changes
from sparsectl.sparsify import family as family_files
from sparsectl.sparsify.family import Member

TASKS = (
    "rope", "rope_pole", "pusht_easy", "pushbox", "pusht_obstacle", "inverted_pendulum", "reacher",
    "cartpole", "sort4", "sort6", "sort8", "flyer", "wallpole", "gate",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A task with its models."""

    experiment: experiment.Experiment
    """What is planned and how, from the config file: task, controllers, evaluation."""
    folder: Path
    dense: Path
    """Checkpoint of the dense model."""
    relus: int
    """Of the dense model."""
    family: dict[int, Member]
    """Members by their number of ReLUs, falling; no two have the same."""

    @property
    def name(self) -> str:
        """Of the task."""
        return self.experiment.name

    def member(self, relus: int) -> Path:
        """Checkpoint of a member of the family."""
        return self.folder / FOLDER / str(self.family[relus].path)


def configured(tasks: Sequence[str]) -> dict[str, experiment.Experiment]:
    """Experiments by task: bundled configs by name, others by the path of their YAML file.

    Raises:
        ConfigError: no such config, or one that is wrong.
    """
    found = (experiment.load(cli_options.find(task)) for task in tasks)
    return {read.name: read for read in found}


def prepared(config: experiment.Experiment, runs: Path) -> Run:
    """The run of a task, its missing stages made first.

    Raises:
        SparsectlError: a stage cannot be made.
    """
    folder = runs / config.name
    made = _made_with(config, folder)
    parsed = Parsed(made, folder, force=False)
    with stages.opened(made, folder):
        for stage, done in (
            (collect, _is_model(folder / "model")),
            (train, _is_model(stages.model_folder(made, folder))),
            (sparsify, _has_family(folder)),
        ):
            if not done:
                stage(parsed)
    dense = stages.model_folder(made, folder)
    model: Any = dynamics.load(dense)[0]
    family, _ = family_files.read(folder / FOLDER)
    members: dict[int, Member] = {}
    for member in family.members:
        if member.path is not None:
            members.setdefault(member.relus, member)
    return Run(config, folder, dense, count_relus(model), members)


def chosen(run: Run, counts: Sequence[int] | None) -> list[int]:
    """Numbers of ReLUs to study: all of the family, or those wanted that it has."""
    if counts is None:
        return list(run.family)
    missing = [n for n in counts if n not in run.family]
    if missing:
        known = ", ".join(map(str, run.family))
        print(f"{run.name}: no members of {missing} ReLUs (there are: {known})", file=sys.stderr)
    return [n for n in run.family if n in counts]


def _made_with(config: experiment.Experiment, folder: Path) -> experiment.Experiment:
    """What the run's missing stages are made with: as the stages that are there."""
    if not (_is_model(folder / "model") and (folder / "config.yaml").is_file()):
        return config
    made = experiment.load(folder / "config.yaml")
    if not (folder / FOLDER / family_files.JSON).is_file():
        made = dataclasses.replace(made, sparsify=config.sparsify)
    parts = ("seed", "data", "model", "train", "online", "sparsify")
    before, now = ({k: to_dict(e)[k] for k in parts} for e in (made, config))
    for change in changes(before, now):
        print(f"{config.name}: models of an earlier config: {change}", file=sys.stderr)
    return made


def _is_model(path: Path) -> bool:
    return (path / "config.json").is_file()


def _has_family(folder: Path) -> bool:
    """Whether every member that was asked for is there."""
    if not (folder / FOLDER / family_files.JSON).is_file():
        return False
    family, made_with = family_files.read(folder / FOLDER)
    wanted = made_with.get("sparsify", {}).get("counts", [])
    return {m.target for m in family.members} >= set(wanted)
