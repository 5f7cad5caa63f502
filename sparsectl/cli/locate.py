"""Where checkpoints that a config names lie: as given, else in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsectl import control
from sparsectl.errors import CheckpointError, ConfigError, nearest
from sparsectl.experiment import Experiment

if TYPE_CHECKING:
    from sparsectl.cli.options import Parsed

MEMBERS = "sparse"
"""Folder of a run's models of fewer ReLUs."""


def located(path: str, folder: Path) -> str:
    """A path as given; where nothing is there, in the run's folder if there is something."""
    inside = folder / path
    return str(inside) if not Path(path).exists() and inside.exists() else path


def controllers(
    entries: Mapping[str, Mapping[str, Any]], folder: Path
) -> dict[str, dict[str, Any]]:
    """Entries of controllers, with the checkpoints that they name located."""
    return {
        name: {
            **entry,
            **{k: located(p, folder) for k, p in control.checkpoints(name, entry).items()},
        }
        for name, entry in entries.items()
    }


def members(experiment: Experiment, folder: Path) -> dict[str, str]:
    """Members of the run's own sparsified family that a comparison needs, by where they are named.

    Raises:
        ConfigError: a count that `sparsify` does not make.
    """
    named = {f"evaluate.models.{n}": p for n, p in experiment.evaluate.models.items()}
    for name, entry in experiment.controllers.items():
        named |= {f"controllers.{name}.{k}": p for k, p in control.checkpoints(name, entry).items()}
    found = {}
    for where, path in named.items():
        parent, count = Path(path).parent, Path(path).name
        if str(parent) not in (MEMBERS, str(folder / MEMBERS)):
            continue
        counts = [str(c) for c in experiment.sparsify.counts]
        if count not in counts and not (folder / MEMBERS / count).exists():
            raise ConfigError(
                f"{where}: no checkpoint in '{path}', and sparsify makes none of that count"
                + nearest(count, counts)
            )
        found[where] = path
    return found


def model(parsed: Parsed) -> Path:
    """Folder of the model that a command with `--model` works with.

    Raises:
        CheckpointError: there is none.
    """
    from sparsectl.cli import stages

    experiment, folder, given = parsed.experiment, parsed.folder, parsed.options.checkpoint
    if given is None:
        return stages.check_model(experiment, folder, parsed.force)
    path = Path(located(experiment.evaluate.models.get(given, given), folder))
    if not (path / "meta.json").is_file():
        members = [f"sparse/{p.parent.name}" for p in folder.glob("sparse/*/meta.json")]
        raise CheckpointError(
            f"--model: no checkpoint '{given}'"
            + nearest(given, [*experiment.evaluate.models, *members])
        )
    return path
