"""What a run's folder holds: a matrix of scores for each unit, and one line for all seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl.config import load_yaml
from sparsectl.continual import metrics, saved
from sparsectl.continual.cost import deployed
from sparsectl.continual.head import Kind
from sparsectl.errors import one_of
from sparsectl.report import statistics
from sparsectl.report.statistics import Interval

LAST = (5, 20)
"""Numbers of last tasks whose mean score is told, where the stream is longer."""


@dataclass(frozen=True)
class UnitResult:
    """One learner, protocol and seed.

    Attributes:
        matrices: by test mode, the default first; see `metrics`. Of one network for each task
            (`single`) the last row is the diagonal.
        facts: stream, kind, n_in, outputs, tasks.
        rows: see `training.train`.
        cost: of the deployed network, see `cost.Cost`.
    """

    label: str
    protocol: str
    seed: int
    matrices: dict[str, np.ndarray]
    settings: dict[str, Any]
    facts: dict[str, Any]
    rows: list[dict[str, Any]]
    done: bool
    cost: dict[str, float]

    @property
    def kind(self) -> Kind:
        """Of the stream."""
        return self.facts["kind"]

    @property
    def tasks(self) -> list[str]:
        """Names."""
        return self.facts["tasks"]

    @property
    def deployed(self) -> str:
        """Test mode of the network that `cost` is of: `sign` for one bit a weight."""
        return "sign" if "sign" in self.matrices else next(iter(self.matrices))

    def R(self, mode: str | None = None) -> np.ndarray:
        """Matrix of a test mode, by default of the deployed network.

        Raises:
            ConfigError: the learner has no such mode.
        """
        mode = mode or self.deployed
        one_of(mode, self.matrices, f"{self.label}: no test mode")
        return self.matrices[mode]


def read(folder: str | Path) -> list[UnitResult]:
    """Finished units of a run, in the order of its configuration.

    Args:
        folder: of the run, e.g. `runs/continual_permuted_digits`.

    Raises:
        CheckpointError: a unit is damaged.
    """

    folder = Path(folder)
    config = folder / "config.yaml"
    order = list((load_yaml(config) if config.is_file() else {}).get("learners") or ())
    every = (_read(path.parent) for path in sorted(folder.glob(f"*/*/*/{saved.LEARNER}")))
    place = {label: i for i, label in enumerate(order)}
    protocols = ("sequential", "joint", "single")
    return sorted(
        (unit for unit in every if unit.done),
        key=lambda u: (place.get(u.label, len(place)), protocols.index(u.protocol), u.seed),
    )


def _read(folder: Path) -> UnitResult:
    stored = saved.load(folder / saved.LEARNER)
    rows, settings, tasks = saved.rows(folder), stored.settings, stored.facts["tasks"]
    modes = list(rows[0]["scores"]) if rows else []
    matrices = {mode: np.full((len(tasks) + 1, len(tasks)), np.nan) for mode in modes}
    for row in rows:
        for mode, values in row["scores"].items():
            matrices[mode][row["after"], row["on"]] = np.array(values, np.float64)
    if settings["protocol"] == "single":
        for R in matrices.values():
            R[-1] = np.diagonal(R, offset=-1)
    learner = stored.learner
    cost: dict[str, float] = asdict(deployed(learner.layers, learner.bits))
    return UnitResult(
        settings["label"],
        settings["protocol"],
        settings["seed"],
        matrices,
        settings,
        stored.facts,
        rows,
        stored.progress.done,
        cost,
    )


def grouped(found: Sequence[UnitResult]) -> dict[tuple[str, str], list[UnitResult]]:
    """Units of all seeds by label and protocol."""
    groups: dict[tuple[str, str], list[UnitResult]] = {}
    for unit in found:
        groups.setdefault((unit.label, unit.protocol), []).append(unit)
    return groups


Line = dict[str, Any]


def summarise(found: Sequence[UnitResult], *, modes: bool = False) -> list[Line]:
    """One line for each label, protocol and test mode.

    Args:
        found: units of one stream.
        modes: all test modes; otherwise the deployed network's only.

    Returns:
        label, protocol, mode, kind (of the stream), tasks (their number), seeds, the fields of
        `cost.Cost`, and as `Interval` over seeds (interquartile means): `final` (ACC: mean final
        score over tasks), `at_training`, `forgetting`, `bwt`, `fwt`, `last_5` and `last_20` (where
        there are more tasks), `worst` (of the tasks, at the end), `of_joint` (final score over
        that of `joint` with the same seed), `train_seconds` [CPU s], `not_finite` (batches and
        steps skipped), and what the check of calibration gave.
    """
    lines = []
    groups = grouped(found)
    for (label, protocol), units in groups.items():
        names = list(units[0].matrices) if modes else [units[0].deployed]
        for mode in names:
            line = _line(label, protocol, mode, units)
            joint = {u.seed: u for u in groups.get((label, "joint"), ())}
            if protocol == "sequential" and joint:
                line["of_joint"] = over_seeds([_share(u, joint[u.seed], mode) for u in units
                                               if u.seed in joint])  # fmt: skip
            lines.append(line)
    return lines


def _share(unit: UnitResult, bound: UnitResult, mode: str) -> float:
    ours, theirs = (float(np.mean(metrics.final(u.R(mode)))) for u in (unit, bound))
    return ours / theirs if theirs > 0 else math.nan


def _line(label: str, protocol: str, mode: str, units: Sequence[UnitResult]) -> Line:
    higher = metrics.higher_is_better(units[0].kind)
    matrices = [u.R(mode) for u in units]
    measured = MEASURES if protocol == "sequential" else _BOUND
    line: Line = {
        "label": label,
        "protocol": protocol,
        "mode": mode,
        "kind": units[0].kind,
        "tasks": len(units[0].tasks),
        "seeds": len(units),
        **units[0].cost,
    }
    for name, measure in measured.items():
        line[name] = over_seeds([measure(R, higher) for R in matrices])
    for count in LAST:
        if len(units[0].tasks) > count:
            line[f"last_{count}"] = over_seeds([metrics.last(R, count) for R in matrices])
    line["train_seconds"] = over_seeds([u.rows[-1]["train_seconds"] for u in units])
    line["not_finite"] = over_seeds([_skipped(u) for u in units])
    for name in units[0].rows[-1].get("calibration", {}):
        values = [u.rows[-1].get("calibration", {}).get(name) for u in units]
        line[name] = over_seeds([math.nan if v is None else v for v in values])
    return line


Measure = Callable[[np.ndarray, bool], float]
_BOUND: dict[str, Measure] = {
    "final": lambda R, higher: float(np.mean(metrics.final(R))),
    "worst": lambda R, higher: float(metrics.final(R).min() if higher else metrics.final(R).max()),
}
MEASURES: dict[str, Measure] = {
    **_BOUND,
    "at_training": lambda R, higher: float(np.mean(metrics.at_training(R))),
    "forgetting": metrics.forgetting,
    "bwt": metrics.backward_transfer,
    "fwt": metrics.forward_transfer,
}
"""From a matrix of scores, and whether higher ones are better, to one number."""


def over_seeds(values: Sequence[float]) -> Interval:
    """Interquartile mean with a 95 % bootstrap interval, of what is defined."""
    return statistics.bootstrap([[v for v in values if not math.isnan(v)]], resamples=2000)


def _skipped(unit: UnitResult) -> float:
    counters = unit.rows[-1]["counters"]
    return float(sum(n for name, n in counters.items() if name.startswith("not_finite")))
