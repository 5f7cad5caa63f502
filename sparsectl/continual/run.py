"""All units of an experiment, by one or several processes; what is done is not done again."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsectl import parallel
from sparsectl.bar import Bar
from sparsectl.config import dump_yaml, to_dict
from sparsectl.continual import saved, training
from sparsectl.continual.experiment import ContinualExperiment, Unit, units
from sparsectl.continual.stream import Stream
from sparsectl.continual.streams import StreamConfig
from sparsectl.continual.streams import build as build_stream
from sparsectl.errors import SparsectlError
from sparsectl.files import writable_folder, write_atomic
from sparsectl.runs import held

CONFIG = "config.yaml"


@dataclass(frozen=True)
class Failure:
    """A unit that could not be finished."""

    unit: str
    error: str
    trace: str = ""


def run(
    experiment: ContinualExperiment,
    folder: str | Path,
    *,
    data: str | Path | None = None,
    learners: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    workers: int = 1,
    engine: str = "process",
    force: bool = False,
    progress: bool | None = None,
) -> list[Failure]:
    """Train every unit that is not finished in `folder`.

    Args:
        data: where recorded streams are kept; None: `streams` beside the run's folder.
        workers: units at once; 1: in this process.
        engine: of several workers, see `parallel.pool`.
        force: drop units that were made with other settings, or are damaged.
        progress: show a bar on stderr; None: see `bar.Bar`.

    Raises:
        ConfigError: a label that is none, or a unit that was begun with other settings.
        CheckpointError: a unit is damaged.
        FileError: the folder cannot be written.
        MissingExtra, DataError: of the stream.
    """
    folder = Path(folder)
    data = Path(data) if data is not None else folder.parent / "streams"
    wanted = units(experiment, learners, seeds)
    left = [unit for unit in wanted if not _done(unit, folder, force)]
    for seed in sorted({unit.stream_seed for unit in left}):
        _stream(experiment.stream, seed, data)  # recorded once, before workers read it
    writable_folder(folder)
    write_atomic(folder / CONFIG, dump_yaml(to_dict(experiment, kinds=True)))
    if workers == 1:
        return _one_by_one(left, folder, data, progress)
    jobs = [(unit, folder, data) for unit in left]
    failures: list[Failure] = []
    with (
        parallel.pool(engine, workers=workers) as pool,
        Bar(shown=progress, total=len(jobs), desc="continual", unit="unit") as bar,
    ):

        def keep(outcome: parallel.Outcome) -> None:
            unit = left[outcome.index]
            if outcome.error is not None:
                failures.append(Failure(unit.name, outcome.error, outcome.trace))
            bar.set_postfix_str(unit.name)
            bar.update()

        pool.map(_job, jobs, on_result=keep)
    return failures


def _one_by_one(left: list[Unit], folder: Path, data: Path, shown: bool | None) -> list[Failure]:
    failures: list[Failure] = []
    with Bar(shown=shown, total=len(left), desc="continual", unit="unit", position=0) as bar:
        for unit in left:
            stream = _stream(unit.stream, unit.stream_seed, data)
            stages = 1 if unit.protocol == "joint" else len(stream.tasks)
            with Bar(shown=shown, total=stages, unit="task", desc=unit.name, leave=False) as inner:
                tell = functools.partial(_tell, inner)
                try:
                    training.train(unit, stream, folder, on_task=tell)
                except SparsectlError as error:
                    failures.append(Failure(unit.name, f"{type(error).__name__}: {error}"))
            bar.update()
    return failures


def _tell(bar: Bar, row: dict[str, Any]) -> None:
    """A row on the bar: the mean score of the first mode on the tasks that were evaluated."""
    scores = [v for v in next(iter(row["scores"].values()), []) if v is not None]
    if scores:
        bar.set_postfix({"score": f"{sum(scores) / len(scores):.3f}"})
    bar.update(row["order"] - bar.n)


def _job(job: tuple[Unit, Path, Path]) -> str:
    """One unit in a worker."""
    unit, folder, data = job
    training.train(unit, _stream(unit.stream, unit.stream_seed, data), folder)
    return unit.name


_streams: dict[str, Stream] = {}


def _stream(config: StreamConfig, seed: int, data: Path) -> Stream:
    """A stream; the last one is kept for the next unit."""
    key = json.dumps([to_dict(config, kinds=True), seed, str(data)])
    if key not in _streams:
        _streams.clear()
        _streams[key] = build_stream(config, seed, data)
    return _streams[key]


def _done(unit: Unit, run: Path, force: bool) -> bool:
    folder = unit.folder(run)
    try:
        found = saved.check(folder, unit)
    except SparsectlError:
        if not force:
            raise
        with held(folder):
            saved.drop(folder)
        return False
    return found is not None and found.done
