"""Entries whose values are levels, or intervals apart: which one is drawn, and how often each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.task.problem import Problem

MOST = 16
"""Pieces of an entry that have probabilities of their own."""


@dataclass(frozen=True)
class Levels:
    """The entries of a problem that have a few pieces, in the unit box.

    One with more than `MOST` is like one that takes any value, and rounded afterwards.

    Attributes:
        entries: which ones. Shape (k,).
        low, high: ends of the pieces, the last one repeated. Shape (k, pieces).
        count: of pieces. Shape (k,).
        wide: entries of actions that take more than few single values. Shape (nu,), bool.
    """

    entries: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    wide: np.ndarray

    @classmethod
    def of(cls, problem: Problem) -> Levels | None:
        """Of a problem; None where no entry has a few pieces."""
        inputs = problem.inputs
        if inputs is None:
            return None
        few = np.array([1 < len(p) <= MOST for p in inputs.pieces])
        if not few.any():
            return None
        middle, half = (problem.u_high + problem.u_low) / 2, (problem.u_high - problem.u_low) / 2
        entries = np.flatnonzero(few)
        count = np.array([len(inputs.pieces[i]) for i in entries])
        ends = np.stack(
            [
                (inputs.pieces[i][np.minimum(np.arange(count.max()), n - 1)] - middle[i]) / half[i]
                for i, n in zip(entries, count, strict=True)
            ]
        ).astype(np.float32)
        return cls(entries, ends[..., 0], ends[..., 1], count, ~(few & inputs.discrete))

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
            share: probability of every piece. Shape (decisions, k, pieces).
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

    def held(self, rng: np.random.Generator, count: int, decisions: int) -> np.ndarray:
        """Pieces, each as likely, that change a few times. Shape (count, decisions, k)."""
        persistence = 1 - rng.integers(1, 7, (count, 1, 1)) / max(7, decisions)
        return self.drawn(rng, self.uniform(decisions), count, persistence)

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
