"""Entries whose values are levels, or intervals apart: which one is drawn, and how often each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.checks import whole, within
from sparsectl.task import Problem


@dataclass(frozen=True)
class LevelsConfig:
    """How plans are searched whose entries take levels (or are semicontinuous)."""

    elites: int = 60
    """Different plans that the probabilities are fitted to."""
    moved: float = 0.5
    """Fraction of the samples that are elites with a few changes."""
    fresh: float = 0.1
    """Fraction of the samples that are drawn without regard to the elites."""
    persistence: float = 0.6
    """Probability that a decision repeats the quantile of the one before."""
    momentum: float = 0.3
    """Weight of the old probabilities in the new ones."""
    floor: float = 0.01
    """Share of a uniform distribution in the probabilities."""
    price: float = 3.0
    """Of a unit of constraint violation, at the start of a search."""
    soft: float = 0.4
    """Part of the time during which that price rises to its full height."""
    patience: int = 20
    """Iterations without a better plan after which the search starts over."""

    def __post_init__(self) -> None:
        whole(self, "levels", "[2, inf)", "elites")
        whole(self, "levels", "[1, inf)", "patience")
        within(self, "levels", "[0, 1)", "moved", "fresh", "persistence", "momentum")
        within(self, "levels", "(0, 1]", "floor")
        within(self, "levels", "[0, 1]", "soft")
        within(self, "levels", "(0, inf)", "price")


@dataclass(frozen=True)
class Levels:
    """The entries of a problem that have several pieces, in the unit box.

    Attributes:
        entries: which ones. Shape (k,).
        low, high: ends of the pieces, the last one repeated. Shape (k, pieces).
        count: of pieces. Shape (k,).
        wide: entries of actions that take more than single values. Shape (nu,), bool.
    """

    entries: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    wide: np.ndarray

    @classmethod
    def of(cls, problem: Problem) -> Levels | None:
        """Of a problem; None where no entry has several pieces."""
        inputs = problem.inputs
        if inputs is None or all(len(p) == 1 for p in inputs.pieces):
            return None
        middle, half = (problem.u_high + problem.u_low) / 2, (problem.u_high - problem.u_low) / 2
        entries = np.array([i for i, p in enumerate(inputs.pieces) if len(p) > 1])
        count = np.array([len(inputs.pieces[i]) for i in entries])
        ends = np.stack(
            [
                (inputs.pieces[i][np.minimum(np.arange(count.max()), n - 1)] - middle[i]) / half[i]
                for i, n in zip(entries, count, strict=True)
            ]
        ).astype(np.float32)
        return cls(entries, ends[..., 0], ends[..., 1], count, ~inputs.discrete)

    def index(self, z: np.ndarray) -> np.ndarray:
        """The nearest piece. Shapes (..., nu) -> (..., k)."""
        middles = (self.high[:, :-1] + self.low[:, 1:]) / 2
        there = np.arange(middles.shape[1]) < self.count[:, None] - 1
        return ((z[..., self.entries, None] > middles) & there).sum(-1)

    def placed(self, index: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Plans whose entries are moved into pieces. Shapes (..., k), (..., nu) -> (..., nu)."""
        moved, k = z.copy(), np.arange(len(self.entries))
        wish = z[..., self.entries]
        moved[..., self.entries] = np.clip(wish, self.low[k, index], self.high[k, index])
        return moved

    def any(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Pieces, each as likely. Shape (..., k)."""
        return (rng.random(shape, dtype=np.float32) * self.count).astype(np.int64)

    def drawn(
        self, rng: np.random.Generator, share: np.ndarray, count: int, persistence: np.ndarray
    ) -> np.ndarray:
        """Pieces of given probabilities, which repeat their quantile from decision to decision.

        Args:
            rng: random numbers.
            share: probability of every piece. Shape (decisions, k, pieces).
            count: of plans.
            persistence: probability of repeating. Shape broadcasts to (count, 1, 1).

        Returns:
            Shape (count, decisions, k).
        """
        shape = (count, *share.shape[:2])
        new = rng.random(shape, dtype=np.float32) >= persistence
        steps = np.arange(shape[1])[:, None]
        since = np.maximum.accumulate(np.where(new, steps, 0), axis=1)
        quantile = rng.random(shape, dtype=np.float32)
        quantile = np.take_along_axis(quantile, since, axis=1)
        ends = np.cumsum(share, axis=-1)[..., :-1].astype(np.float32)
        index = (quantile[..., None] > ends).sum(-1)
        return np.minimum(index, self.count - 1)

    def uniform(self, decisions: int) -> np.ndarray:
        """Probabilities of pieces that are all as likely. Shape (decisions, k, pieces)."""
        there = np.arange(self.low.shape[1]) < self.count[:, None]
        return np.broadcast_to(there / self.count[:, None], (decisions, *there.shape))

    def frequencies(self, z: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weighted shares of the pieces in plans. Shape (decisions, k, pieces)."""
        index, pieces = self.index(z), self.low.shape[1]
        return np.stack(
            [np.tensordot(weights, index == j, axes=(0, 0)) for j in range(pieces)], axis=-1
        )
