"""Open-loop prediction errors in physical units, against two baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from sparsectl import seeding
from sparsectl.data import Episodes
from sparsectl.dynamics.linear import fit_linear
from sparsectl.dynamics.models import Model
from sparsectl.dynamics.windows import Trajectories, windows
from sparsectl.task import StateMap


@dataclass(frozen=True)
class ErrorRow:
    """Error of one part of the state after k open-loop steps.

    Attributes:
        part: name of a state part, or `points` for all planar points together.
        metric: `distance` (mean Euclidean distance over planar points) or `rms` (root mean
            square over entries); both in the observation's units, metres for the bundled tasks.
        p95: 95th percentile over windows of the model's error (mean over the part's points or
            root mean square over its entries in each window).
        no_motion: error of predicting that nothing changes.
        linear: error of the least-squares affine model; None without training data.
    """

    part: str
    k: int
    metric: str
    model: float
    p95: float
    no_motion: float
    linear: float | None
    windows: int


@dataclass(frozen=True)
class ModelErrors:
    """Rows by part and k; JSON-writable by `to_dict`."""

    rows: tuple[ErrorRow, ...]

    def row(self, part: str, k: int) -> ErrorRow:
        """The row of a part after k steps; KeyError if there is none."""
        for row in self.rows:
            if (row.part, row.k) == (part, k):
                return row
        raise KeyError((part, k))

    @property
    def headline(self) -> ErrorRow:
        """Longest k; `points` if the state has planar points, else the first part."""
        k = max(row.k for row in self.rows)
        rows = [row for row in self.rows if row.k == k]
        return next((row for row in rows if row.part == "points"), rows[0])

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain rows."""
        return [asdict(row) for row in self.rows]


@torch.no_grad()
def evaluate_model(
    dynamics: Model,
    episodes: Episodes,
    state_map: StateMap,
    k: Sequence[int] = (1, 5, 10),
    *,
    training: Episodes | None = None,
    limit: int = 20_000,
) -> ModelErrors:
    """Error after k open-loop steps from every state of held-out episodes.

    Args:
        dynamics: trained model; evaluated in its own precision, errors in float64.
        episodes: held-out episodes.
        k: open-loop steps; a k longer than every episode is left out.
        training: data of the linear baseline; None: no such baseline.
        limit: largest number of (evenly spread) windows for each k.
    """
    data = Trajectories.of(episodes, state_map)
    linear = None
    if training is not None:
        linear = fit_linear(dynamics, Trajectories.of(training, state_map))
    rows: list[ErrorRow] = []
    longest = max(len(a) for a in data.actions)
    for steps in sorted(set(k)):
        if steps <= longest:
            rows += _rows(dynamics, linear, data, steps, limit)
    return ModelErrors(tuple(rows))


@torch.no_grad()
def open_loop(
    dynamics: Model, episodes: Episodes, state_map: StateMap, horizon: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """States of H steps and the model's predictions of them, from one state of every episode.

    The first states are drawn at random, so that an episode H steps long or longer gives all H:
    rollouts of one episode would be alike, those of different ones are exchangeable.

    Args:
        episodes: which training did not see.

    Returns:
        States, NaN after the end of an episode, and predictions. Shape (episodes, H + 1, nx) each.
    """
    data = Trajectories.of(episodes, state_map)
    whole = windows(data, horizon, torch.device("cpu"), torch.float64)
    counts = np.array([max(1, len(a) - horizon + 1) for a in data.actions])
    drawn = seeding.generator(seed, "rollouts").integers(counts)
    x, u, there = whole.batch(torch.as_tensor(np.cumsum(counts) - counts + drawn))
    first = next(dynamics.parameters())
    predicted = dynamics.rollout(x[:, 0].to(first), u.to(first)).double().numpy()
    states = x.numpy()
    if there is not None:
        states[:, 1:][~there.numpy()] = np.nan
    rest = ((0, 0), (0, horizon + 1 - states.shape[1]), (0, 0))
    return np.pad(states, rest, constant_values=np.nan), np.pad(predicted, rest)


def _rows(
    dynamics: Model,
    linear: Model | None,
    data: Trajectories,
    k: int,
    limit: int,
) -> list[ErrorRow]:
    whole = windows(data, k, torch.device("cpu"), torch.float64)
    full = torch.nonzero(whole.lengths == k)[:, 0]
    spread = torch.linspace(0, len(full) - 1, min(limit, len(full))).long()
    x, u, _ = whole.batch(full[spread])
    truth = x[:, -1].numpy()
    predictions = {"model": _predict(dynamics, x[:, 0], u), "no_motion": x[:, 0].numpy()}
    if linear is not None:
        predictions["linear"] = _predict(linear, x[:, 0], u)
    points = dynamics.structure.points
    parts: dict[str, tuple[Any, bool]]
    parts = {name: (part, name in points) for name, part in dynamics.names.items()}
    if points:
        index = np.concatenate([np.r_[dynamics.names[name]] for name in points])
        parts = {"points": (index, True), **parts}
    rows = []
    for name, (part, planar) in parts.items():
        error = {
            who: _per_window((value - truth)[:, part], planar) for who, value in predictions.items()
        }
        total = {who: _mean(value, planar) for who, value in error.items()}
        p95 = float(np.quantile(error["model"], 0.95))
        metric = "distance" if planar else "rms"
        rows.append(ErrorRow(name, k, metric, total["model"], p95, total["no_motion"],
                             total.get("linear"), len(truth)))  # fmt: skip
    return rows


def _predict(model: Model, x0: torch.Tensor, actions: torch.Tensor) -> np.ndarray:
    first = next(model.parameters())
    states = model.rollout(x0.to(first), actions.to(first))
    return states[:, -1].double().cpu().numpy()


def _per_window(error: np.ndarray, planar: bool) -> np.ndarray:
    """Mean distance of points, or root mean square of entries. Shape (windows,)."""
    if planar:
        return np.linalg.norm(error.reshape(len(error), -1, 2), axis=-1).mean(-1)
    return np.sqrt(np.square(error).mean(-1))


def _mean(per_window: np.ndarray, planar: bool) -> float:
    if planar:
        return float(per_window.mean())
    return math.sqrt(float(np.square(per_window).mean()))
