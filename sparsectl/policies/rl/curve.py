"""Learning curves: one row per evaluation, the same for every way of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl import runs, seeding

CURVE = "curve.jsonl"
"""Name of the curve in a run's folder."""
TRAINING_SEED = 2**30
"""Reset seeds of training are from here on, far above those of evaluation."""

Row = dict[str, Any]


def evaluation_seeds(episodes: int) -> list[int]:
    """Reset seeds of every evaluation of every run."""
    return [seeding.EVALUATION_SEED + i for i in range(episodes)]


def training_seeds(seed: int, generation: int, episodes: int) -> list[int]:
    """Reset seeds of one generation; none of them is an evaluation's."""
    draws = seeding.generator(seed, "start", generation).integers(TRAINING_SEED, size=episodes)
    return [TRAINING_SEED + int(d) for d in draws]


def point(steps: int, seconds: float, returns: np.ndarray, **facts: float | int | None) -> Row:
    """A row.

    Args:
        steps: environment steps that training has used; those of evaluations are not counted.
        seconds: wall-clock time of training and evaluations, over all calls of a resumed run.
        returns: of the evaluation episodes (E,); NaN: the simulation diverged.
        facts: further columns.

    Returns:
        steps, seconds, return_mean, return_min, return_max, return_std (None where every episode
        diverged), eval_diverged (their number), then `facts` with None for what is not finite.
    """
    values = np.asarray(returns, np.float64)
    good = values[np.isfinite(values)]
    row: Row = {"steps": int(steps), "seconds": round(float(seconds), 3)}
    for name in ("mean", "min", "max", "std"):
        row[f"return_{name}"] = float(getattr(np, name)(good)) if len(good) else None
    row["eval_diverged"] = len(values) - len(good)
    known = {name: v is not None and bool(np.isfinite(v)) for name, v in facts.items()}
    return row | {name: v if known[name] else None for name, v in facts.items()}


def write(folder: str | Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write all rows to `curve.jsonl` of a run's folder, atomically."""
    runs.rows.write(path := Path(folder) / CURVE, rows)
    return path


def read(folder: str | Path) -> list[Row]:
    """Rows of a run's folder, none where there is no curve yet."""
    return runs.rows.read(Path(folder) / CURVE)
