"""The folder of one unit: where training stands, its rows, and the learner for others to use.

learner/      the learner, settings and progress (a checkpoint), after the last task or epoch
tasks/<i>/    the learner after task i, where `keep_tasks` is set
rows.jsonl    one line for each evaluation
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from sparsectl import checkpoint, runs
from sparsectl.config import from_dict
from sparsectl.continual.experiment import Unit
from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learner import ContinualLearner
from sparsectl.continual.learners.build import LearnerConfig, build
from sparsectl.continual.stream import Scaling, Stream
from sparsectl.errors import CheckpointError, SparsectlError

LEARNER, TASKS, ROWS = "learner", "tasks", "rows.jsonl"
_SCALING = "scaling."


@dataclass
class Progress:
    """Where a unit stands.

    Attributes:
        stages: stages that are over: tasks, or with `joint` the one of all tasks.
        epoch: epochs of the present stage that are over.
        train_seconds, test_seconds: CPU time of learning and of evaluations [s].
        loss: mean negative log likelihood over the updates of the last epoch; None: no update.
    """

    stages: int = 0
    epoch: int = 0
    train_seconds: float = 0.0
    test_seconds: float = 0.0
    loss: float | None = None
    done: bool = False


@dataclass(frozen=True)
class Saved:
    """A unit's checkpoint.

    Attributes:
        settings: see `Unit.settings`.
        facts: n_in, kind, outputs, tasks (names), stream (name).
    """

    learner: ContinualLearner
    progress: Progress
    settings: dict[str, Any]
    facts: dict[str, Any]
    scaling: Scaling | None = None


def save(
    path: Path, unit: Unit, stream: Stream, learner: ContinualLearner, progress: Progress
) -> None:
    """Write a checkpoint atomically.

    Raises:
        CheckpointError: weights that are not finite, or an unwritable place.
    """
    tensors = learner.state()
    if stream.scaling is not None:
        tensors |= {_SCALING + k: v.numpy() for k, v in asdict(stream.scaling).items()}
    facts = {
        "stream": stream.name,
        "kind": stream.kind,
        "n_in": stream.n_in,
        "outputs": stream.n_out,
        "tasks": [task.name for task in stream.tasks],
    }
    config = {"unit": unit.settings(), "progress": asdict(progress), "facts": facts}
    checkpoint.save_tensors(path, tensors, config, {"kind": "continual"})


def load(path: str | Path) -> Saved:
    """Read a checkpoint of `save`.

    Raises:
        CheckpointError: see `checkpoint.load_tensors`; also something else than a continual
            learner, or tensors that do not fit the settings.
    """
    path = Path(path)
    stored = checkpoint.load_kind(path, "continual", "a continual learner")
    try:
        settings, facts = stored.config["unit"], stored.config["facts"]
        progress = Progress(**stored.config["progress"])
        learner = _built(settings, facts)
        own = {k: v for k, v in stored.tensors.items() if not k.startswith(_SCALING)}
        learner.restore(own)
    except (SparsectlError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"'{path}': {error}") from error
    scaling = {
        k.removeprefix(_SCALING): torch.from_numpy(v.copy())
        for k, v in stored.tensors.items()
        if k.startswith(_SCALING)
    }
    return Saved(learner, progress, settings, facts, Scaling(**scaling) if scaling else None)


def load_learner(folder: str | Path) -> tuple[ContinualLearner, dict[str, Any]]:
    """The learner of a unit's folder (`runs/<name>/<label>/<protocol>/<seed>`), to predict with.

    Args:
        folder: of a unit, or a checkpoint in it, e.g. `tasks/2`.

    Returns:
        The learner, and settings (see `Unit.settings`), stream, kind, n_in, outputs, tasks (all
        names), learnt (number of tasks), done and scaling (`Scaling` or None).

    Raises:
        CheckpointError: no such folder, damage, or something else than a continual learner.
    """
    folder = Path(folder)
    inner = folder / LEARNER
    found = load(inner if checkpoint.exists(inner) else folder)
    learnt = found.progress.stages
    if found.settings["protocol"] == "joint" and found.progress.done:
        learnt = len(found.facts["tasks"])
    meta = {"settings": found.settings, **found.facts, "learnt": learnt}
    return found.learner, {**meta, "done": found.progress.done, "scaling": found.scaling}


@dataclass(frozen=True)
class _Described:
    learner: LearnerConfig
    network: NetworkConfig


def _built(settings: dict[str, Any], facts: dict[str, Any]) -> ContinualLearner:
    """An untrained learner for a checkpoint's tensors."""
    config = from_dict(_Described, {k: settings[k] for k in ("learner", "network")}, "settings")
    head = Head(facts["kind"], facts["outputs"], settings["noise"])
    return build(config.learner, config.network, facts["n_in"], head, settings["seed"])


def rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of a unit, in order; lines that are torn are skipped."""
    return runs.rows.read(folder / ROWS)


def cut_rows(folder: Path, stages: int) -> None:
    """Drop rows of stages that the checkpoint does not know: they will come again.

    Raises:
        CheckpointError: a row before that is missing.
    """
    found = runs.rows.mend(folder / ROWS)
    kept = [r for r in found if r["order"] <= stages]
    if [r["order"] for r in kept] != list(range(stages + 1)):
        raise CheckpointError(
            f"'{folder / ROWS}' holds the evaluations {[r['order'] for r in kept]}, expected 0 to "
            f"{stages}: it was changed; pass --force to start this unit again"
        )
    if len(kept) < len(found):
        runs.rows.write(folder / ROWS, kept)


def settings_of(folder: Path) -> tuple[dict[str, Any], Progress] | None:
    """Settings and progress that a unit's folder was written with; None where there is none yet.

    Raises:
        CheckpointError: damaged.
    """
    path = folder / LEARNER
    if not checkpoint.exists(path):
        return None
    stored = checkpoint.load_tensors(path)
    try:
        return stored.config["unit"], Progress(**stored.config["progress"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"'{path}' is not a checkpoint of a continual learner") from error


def check(folder: Path, unit: Unit) -> Progress | None:
    """Progress of the unit in its folder, None where it has not begun.

    Raises:
        ConfigError: it was begun with other settings; they are named.
        CheckpointError: damaged.
    """
    found = settings_of(folder)
    if found is None:
        return None
    runs.require_same(found[0], unit.settings(), folder)
    return found[1]


def drop(folder: Path) -> None:
    """Remove a unit's results."""
    for name in (LEARNER, TASKS):
        checkpoint.remove(folder / name)
    (folder / ROWS).unlink(missing_ok=True)
