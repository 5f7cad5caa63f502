"""One unit: a learner meets its tasks, is evaluated after each, and can be continued exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsectl import files, runs, seeding
from sparsectl.continual import metrics, saved
from sparsectl.continual.calibration import calibration
from sparsectl.continual.experiment import Unit
from sparsectl.continual.learner import ContinualLearner
from sparsectl.continual.learners.build import build
from sparsectl.continual.saved import Progress
from sparsectl.continual.stream import Stream, StreamTask

SAVE_SECONDS = 10.0
"""CPU time after which a unit is saved at the next end of an epoch or task."""
CHUNK = 8192
"""Examples that are predicted at once."""
CALIBRATION_EXAMPLES = 4000
"""Of all tasks together, in the check of calibration."""


def train(
    unit: Unit,
    stream: Stream,
    run: str | Path,
    *,
    on_task: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Train one unit, or go on with it.

    A unit that was killed and started again gives the weights and scores of one that was not.

    Args:
        run: the run's folder; the unit's is `unit.folder(run)`.

    Returns:
        Rows: `after` (tasks learnt), `on` (tasks evaluated), `scores` (by mode, one for each of
        `on`; None: not defined), `loss`, `counters`, `train_seconds`, `test_seconds` (CPU time
        so far) and in the last one `calibration`.

    Raises:
        ConfigError, CheckpointError, FileError: see `saved.check`, `saved.save`.
    """
    with runs.held(unit.folder(run)):
        return _Session(unit, stream, unit.folder(run), on_task).run()


class _Session:
    """One call of `train`."""

    def __init__(
        self,
        unit: Unit,
        stream: Stream,
        folder: Path,
        on_task: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.unit, self.stream, self.folder, self.on_task = unit, stream, folder, on_task
        self.stages = 1 if unit.protocol == "joint" else len(stream.tasks)
        self.progress = Progress()
        found = saved.check(folder, unit)
        if found is None:
            files.writable_folder(folder)
            self.learner = self._fresh(0)
            runs.rows.write(folder / saved.ROWS, [])
            self._evaluate(0, range(len(stream.tasks)))
            self._save()
        else:
            self.progress = found
            self.learner = saved.load(folder / saved.LEARNER).learner
            saved.cut_rows(folder, found.stages)
        self.saved_at = self._seconds()

    def run(self) -> list[dict[str, Any]]:
        """Everything that is left to do; all rows."""
        while not self.progress.done:
            self._stage(self.progress.stages)
        return saved.rows(self.folder)

    def _stage(self, stage: int) -> None:
        progress, unit = self.progress, self.unit
        if unit.protocol == "single" and progress.epoch == 0:
            self.learner = self._fresh(stage)
        inputs, targets = self._data(stage)
        while progress.epoch < unit.epochs:
            with self._timed("train_seconds"):
                self._epoch(stage, progress.epoch, inputs, targets)
            progress.epoch += 1
            if progress.epoch < unit.epochs:
                self._save_if_due()
        if self.learner.uses_boundaries:
            with self._timed("train_seconds"):
                self.learner.end_task()
        progress.stages, progress.epoch = stage + 1, 0
        progress.done = progress.stages == self.stages
        self._evaluate(progress.stages, self._evaluated(stage))
        if unit.keep_tasks:
            path = self.folder / saved.TASKS / str(stage)
            saved.save(path, unit, self.stream, self.learner, progress)
        if progress.done:
            self._save()
        else:
            self._save_if_due()

    def _epoch(self, stage: int, epoch: int, inputs: Tensor, targets: Tensor) -> None:
        """Every example once, in an order that follows from seed, stage and epoch alone."""
        order = seeding.generator(self.unit.seed, "order", stage, epoch).permutation(len(inputs))
        losses = []
        for batch in torch.from_numpy(order).split(self.unit.batch_size):
            seen = self.learner.observe(inputs[batch], targets[batch], examples=len(inputs))
            if math.isfinite(seen.loss):
                losses.append(seen.loss)
        self.progress.loss = sum(losses) / len(losses) if losses else None

    def _evaluated(self, stage: int) -> range:
        """Tasks that are evaluated after a stage."""
        every = range(len(self.stream.tasks))
        if self.unit.protocol == "single":
            return every[stage : stage + 1]
        due = self.progress.done or (stage + 1) % self.unit.evaluate_every == 0
        return every if due else every[stage : stage + 1]

    def _evaluate(self, order: int, on: range) -> None:
        with self._timed("test_seconds"), _own_random_numbers(self.learner, self.unit, order):
            scores = {mode: [] for mode in self.learner.modes}  # type: dict[str, list]
            for j in on:
                for mode, value in self._scores(self.stream.tasks[j]).items():
                    scores[mode].append(value)
            checked = self._calibration() if self._last(order) else None
        row: dict[str, Any] = {
            "order": order,
            "after": len(self.stream.tasks) if order and self._joint else order,
            "on": list(on),
            "scores": scores,
            "loss": self.progress.loss,
            "counters": dict(self.learner.counters),
            "train_seconds": round(self.progress.train_seconds, 3),
            "test_seconds": round(self.progress.test_seconds, 3),
        }
        if checked is not None:
            row["calibration"] = checked
        runs.rows.add(self.folder / saved.ROWS, row)
        if self.on_task is not None:
            self.on_task(row)

    def _scores(self, task: StreamTask) -> dict[str, float | None]:
        kind, found = self.stream.kind, {}
        for mode in self.learner.modes:
            value = metrics.score(kind, self._predict(task.test_inputs, mode), task.test_targets)
            found[mode] = value if math.isfinite(value) else None
        return found

    def _predict(self, inputs: Tensor, mode: str) -> Tensor:
        return torch.cat([self.learner.predict(part, mode) for part in inputs.split(CHUNK)])

    def _calibration(self) -> dict[str, float | None]:
        """Over all tasks, as many examples of each."""
        tasks = self.stream.tasks
        share = -(-CALIBRATION_EXAMPLES // len(tasks))
        inputs = torch.cat([t.test_inputs[:share] for t in tasks])
        targets = torch.cat([t.test_targets[:share] for t in tasks])
        drawn = self.learner.samples(inputs, self.unit.draws)
        facts = calibration(self.learner.head, drawn, targets)
        return {k: v if math.isfinite(v) else None for k, v in facts.items()}

    @property
    def _joint(self) -> bool:
        return self.unit.protocol == "joint"

    def _last(self, order: int) -> bool:
        """Whether the last evaluation checks calibration; one network for each task has none."""
        return order == self.stages and self.unit.draws > 0 and self.unit.protocol != "single"

    def _data(self, stage: int) -> tuple[Tensor, Tensor]:
        if not self._joint:
            task = self.stream.tasks[stage]
            return task.inputs, task.targets
        tasks = list(self.stream.tasks)
        return torch.cat([t.inputs for t in tasks]), torch.cat([t.targets for t in tasks])

    def _fresh(self, stage: int) -> ContinualLearner:
        unit, stream = self.unit, self.stream
        seed = unit.learner_seed(stage if unit.protocol == "single" else None)
        return build(unit.learner, unit.network, stream.n_in, unit.head(stream), seed)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        start = time.process_time()
        yield
        setattr(self.progress, name, getattr(self.progress, name) + time.process_time() - start)

    def _seconds(self) -> float:
        return self.progress.train_seconds + self.progress.test_seconds

    def _save_if_due(self) -> None:
        if self._seconds() - self.saved_at >= SAVE_SECONDS:
            self._save()

    def _save(self) -> None:
        saved.save(self.folder / saved.LEARNER, self.unit, self.stream, self.learner, self.progress)
        self.saved_at = self._seconds()


@contextmanager
def _own_random_numbers(learner: ContinualLearner, unit: Unit, order: int) -> Iterator[None]:
    """Evaluations draw random numbers of their own, so that learning does not depend on them."""
    before = learner.generator.get_state()
    learner.generator.manual_seed(seeding.integer(unit.seed, "evaluation", order))
    try:
        yield
    finally:
        learner.generator.set_state(before)
