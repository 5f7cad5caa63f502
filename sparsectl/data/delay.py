"""How many steps late actions act, from transitions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsectl import seeding

MOST = 5
_ROWS, _PRODUCTS, _FOLDS, _CLEAR = 6000, 24, 5, 0.9


@dataclass(frozen=True)
class Latency:
    """What was found.

    Attributes:
        steps: by which the actions that explain the data best are late.
        errors: held-out error of the next change by lag, from 0 on; 1: as predicting its mean.
    """

    steps: int
    errors: tuple[float, ...]

    @property
    def told(self) -> str:
        """In words."""
        if not self.steps:
            return "actions act at once"
        now, late = self.errors[0], self.errors[self.steps]
        return (
            f"actions act {self.steps} steps late (error of the next change {late:.2f} with, "
            f"{now:.2f} without)"
        )


def latency(
    states: Sequence[np.ndarray], actions: Sequence[np.ndarray], most: int = MOST
) -> Latency | None:
    """The lag D for which u_{t-D} explains x_{t+1} - x_t best, in a regression held out by episode.

    Late observations show alike: x_t of then follows from the actions of then.

    Args:
        states: arrays (T + 1, nx), one an episode.
        actions: arrays (T, nu).
        most: largest lag that is tried.

    Returns:
        None where there is too little data, or nothing that actions explain.
    """
    long = [i for i, a in enumerate(actions) if len(a) > most]
    long = [long[i] for i in seeding.generator(0, "latency").permutation(len(long))]
    kept, rows = [], 0
    while long and rows < _ROWS:
        kept.append(long.pop())
        rows += len(actions[kept[-1]]) - most
    if len(kept) < _FOLDS:
        return None
    fold = np.concatenate([np.full(len(actions[i]) - most, k % _FOLDS) for k, i in enumerate(kept)])
    x = np.concatenate([states[i][most:-1] for i in kept])
    y = np.concatenate([np.diff(states[i], axis=0)[most:] for i in kept])
    y = y[:, y.std(0) > 1e-12 * (1 + abs(x).max(0))]
    if not y.size:
        return None
    errors = []
    for lag in range(most + 1):
        u = np.concatenate([actions[i][most - lag : len(actions[i]) - lag] for i in kept])
        errors.append(_held_out(_features(x, u), y, fold))
    best = int(np.argmin(errors))
    return Latency(best if errors[best] < _CLEAR * errors[0] else 0, tuple(errors))


def _features(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Entries, and where they are few their products: what a body does is seldom linear."""
    v = np.concatenate([x, u], axis=1)
    v = (v - v.mean(0)) / np.maximum(v.std(0), 1e-9)
    if v.shape[1] > _PRODUCTS:
        return v
    i, j = np.triu_indices(v.shape[1])
    return np.concatenate([v, v[:, i] * v[:, j]], axis=1)


def _held_out(z: np.ndarray, y: np.ndarray, fold: np.ndarray) -> float:
    """Mean over the entries of y of a ridge regression's squared error, of their variance."""
    z, y = z - z.mean(0), (y - y.mean(0)) / y.std(0)
    ridge = 1e-3 * len(z) * np.eye(z.shape[1])
    whole, product = z.T @ z, z.T @ y
    wrong = 0.0
    for k in range(_FOLDS):
        out, own = z[fold == k], y[fold == k]
        weights = np.linalg.solve(whole - out.T @ out + ridge, product - out.T @ own)
        wrong += float(np.square(own - out @ weights).sum())
    return wrong / y.size
