"""A study: curves and points of theory and experiment in one folder, resumable point by point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsectl import files, runs
from sparsectl.bar import Bar
from sparsectl.config import to_dict
from sparsectl.errors import ConfigError
from sparsectl.theory import curves, sampling, two_tasks
from sparsectl.theory.curves import CurveConfig
from sparsectl.theory.energy import Gibbs
from sparsectl.theory.experiment_config import ExperimentConfig
from sparsectl.theory.order import Order
from sparsectl.theory.sampling import SamplingConfig

POINTS, SETTINGS = "points.jsonl", "settings.json"
KINDS = ("curve", "two", "descent", "descent2", "sampled")
"""Of rows."""
INTERNAL = ("kind", "x", "tangent", "length")
"""What tables leave out: needed only to go on."""
Row = dict[str, Any]


@dataclass(frozen=True)
class StudyConfig:
    """What is computed. Empty lists leave a part out."""

    gibbs: Gibbs = field(default_factory=Gibbs)
    """The measure of the theory."""
    curve: CurveConfig = field(default_factory=CurveConfig)
    """Curve of one task, with both branches of the jump; with 0 steps none."""
    alpha1: float = 2.0
    """Examples of the first of two tasks per weight."""
    alphas2: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
    """Examples of the second task per weight, ascending."""
    gammas: tuple[float, ...] = (1.0, 0.1)
    """Weights of the divergence from the first task's posterior."""
    similarities: tuple[float, ...] = (0.0, 0.5, -0.5)
    """Overlaps r_0 of both teachers."""
    descent: tuple[float, ...] = ()
    """Examples per weight of perceptrons that learn one task by descent."""
    descent2: tuple[tuple[float, float, float], ...] = ()
    """(alpha2, gamma, r_0) of perceptrons that learn two tasks by descent."""
    sampled: tuple[float, ...] = ()
    """Examples per weight at which the Gibbs measure is sampled."""
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig)
    """The perceptrons."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """The sampler."""

    def __post_init__(self) -> None:
        if any(b <= a for a, b in zip(self.alphas2, self.alphas2[1:], strict=False)):
            raise ConfigError(f"alphas2 is {list(self.alphas2)}, expected ascending numbers")
        for name in ("alphas2", "descent", "sampled"):
            if any(not a > 0 for a in getattr(self, name)):
                raise ConfigError(f"{name} is {list(getattr(self, name))}, expected positive ones")


def run(
    config: StudyConfig, folder: str | Path, *, force: bool = False, progress: bool | None = None
) -> list[Row]:
    """Compute what is missing in the folder.

    Args:
        folder: gets settings.json and points.jsonl, one line for each point as it is found.
        progress: show a bar on stderr; None: when stderr is a terminal.

    Returns:
        All rows. `kind` is curve (at its end curve_done), two, descent, descent2 or sampled; see
        `OneTask.row`, `TwoTasks.row`, `experiment` and `sampling` for the rest.

    Raises:
        ConfigError: the folder's points have other settings, or another process works there.
        FileError: the folder holds something else, or cannot be written.
    """
    folder = Path(folder)
    with runs.held(folder):
        _prepare(config, folder, force)
        rows = runs.rows.read(folder / POINTS)
        with Bar(shown=progress, desc="theory", unit="point", initial=len(rows)) as bar:

            def add(kind: str, row: Row) -> None:
                rows.append({"kind": kind, **row})
                runs.rows.add(folder / POINTS, rows[-1])
                bar.set_description(kind)
                bar.update()

            _curve(config, rows, add)
            _two(config, rows, add)
            _descent(config, rows, add)
            _sampled(config, rows, add)
    return rows


Add = Callable[[str, Row], None]


def _curve(config: StudyConfig, rows: list[Row], add: Add) -> None:
    if any(r["kind"] == "curve_done" for r in rows):
        return

    def on_point(p: curves.CurvePoint) -> None:
        place = {"x": list(p.x), "tangent": list(p.tangent), "length": p.length}
        add("curve", {**p.task.row(), "folds": p.folds, **place})

    names = ("x", "folds", "tangent", "length")
    found = [[row[k] for k in names] for row in rows if row["kind"] == "curve"]
    done = [curves.point(config.gibbs, *values) for values in found]
    curves.curve(config.gibbs, config.curve, on_point, done)
    add("curve_done", {})


def _two(config: StudyConfig, rows: list[Row], add: Add) -> None:
    have = {_key(r): r for r in rows if r["kind"] == "two"}
    cells = [(g, r) for g in config.gammas for r in config.similarities]
    if not config.alphas2 or len(have) == len(cells) * len(config.alphas2):
        return
    first = two_tasks.first_task(config.alpha1, config.gibbs)
    for gamma, similarity in cells:
        given, start = two_tasks.prior(first, gamma, similarity), None
        for alpha in config.alphas2:
            row = have.get((alpha, gamma, similarity))
            if row is None:
                found = two_tasks.solve_two(alpha, given, start)
                add("two", found.row())
                start = found.order
            else:
                start = Order(row["q2"], row["r2"], row["q2d"])


def _descent(config: StudyConfig, rows: list[Row], add: Add) -> None:
    from sparsectl.theory import experiment  # loads torch

    setting = config.experiment
    have = {(r["alpha"], r["trial"]) for r in rows if r["kind"] == "descent"}
    for alpha in config.descent:
        for trial in range(setting.trials):
            if (alpha, trial) not in have:
                got = experiment.one_task(alpha, trial, setting)
                add("descent", {"alpha": alpha, "trial": trial, **got})
    done = {(_key(r), r["trial"]) for r in rows if r["kind"] == "descent2"}
    for trial in range(setting.trials if config.descent2 else 0):
        missing = [cell for cell in config.descent2 if (cell, trial) not in done]
        if not missing:
            continue
        learner = experiment.TwoTaskTrial(config.alpha1, trial, setting)
        for alpha, gamma, similarity in missing:
            got = learner.second(alpha, gamma, similarity)
            cell = {"alpha2": alpha, "gamma": gamma, "r0": similarity, "trial": trial}
            add("descent2", {**cell, **got})


def _sampled(config: StudyConfig, rows: list[Row], add: Add) -> None:
    have = {(r["alpha"], r["trial"]) for r in rows if r["kind"] == "sampled"}
    for alpha in config.sampled:
        for trial in range(config.experiment.trials):
            if (alpha, trial) not in have:
                seed = config.experiment.seed + trial
                got = sampling.sample(alpha, config.gibbs.beta, seed, config.sampling)
                add("sampled", {"alpha": alpha, "trial": trial, **got})


def _key(row: Row) -> tuple[float, float, float]:
    return row["alpha2"], row["gamma"], row["r0"]


def _prepare(config: StudyConfig, folder: Path, force: bool) -> None:
    settings, path = to_dict(config), folder / SETTINGS
    if path.exists():
        stored = files.read_json(path)
        if not force:
            runs.require_same(stored, settings, folder, what="the study")
        if not runs.changes(stored, settings):
            return
        (folder / POINTS).unlink(missing_ok=True)
    else:
        files.fresh_folder(folder, force)
    files.write_json(path, settings)
