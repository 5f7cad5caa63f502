"""Search for plans with levels: a mixture of categorical and Gaussian distributions.

Every decision has a probability for each of its levels (or intervals), entries with intervals have
a Gaussian besides. Both are fitted to weighted elites: CEM weighs them alike, MPPI by their costs.
Categorical samples know nothing of what belongs together, so that most samples are elites
with a few changes (`moves`). What constraints cost rises from little to `PENALTY` while a search
goes on, because a plan that has to go round another side of a box is far from all its neighbours
once boxes are hard. A search that has come to rest starts over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from sparsectl.control.candidates import PENALTY
from sparsectl.control.samplers import noise
from sparsectl.control.samplers.clock import rounds
from sparsectl.control.samplers.levels import LevelsConfig
from sparsectl.mip.search.moves import moves
from sparsectl.task.levels import Levels

if TYPE_CHECKING:
    from torch import Tensor

    from sparsectl.control.samplers.base import Decision, IteratedConfig

Weigh = Callable[[np.ndarray], np.ndarray]
"""Weights of elites, adding up to 1, from their costs. Shapes (k,) -> (k,)."""

_LEAST = 8
"""Samples for every elite, at least."""
_SIGMA, _SCALE, _CHANGED = 0.6, 0.01, 0.5
"""Gaussian entries: first standard deviation; least factor on it in noise around an elite, uniform
in the logarithm; how many of its entries get any."""


class Mixture:
    """What a search has found so far, and what it draws next.

    Attributes:
        plans: elites, best first. Shape (k, decisions, nu), in the unit box.
        parts: cost and violation of each. Shape (k, 2).
    """

    def __init__(
        self, levels: Levels, config: LevelsConfig, samples: int, mean: np.ndarray
    ) -> None:
        """A search that knows nothing. mean: of Gaussian entries. Shape (decisions, nu)."""
        self.levels, self.config = levels, config
        self.elites = max(2, min(config.elites, samples // _LEAST))
        self.share = levels.uniform(len(mean))
        self.mean, self.sigma = mean, np.full_like(mean, _SIGMA)
        self.plans = np.zeros((0, *mean.shape), dtype=np.float32)
        self.parts = np.zeros((0, 2))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """New plans. Shape (count, decisions, nu)."""
        config = self.config
        fresh = int(config.fresh * count)
        moved = int(config.moved * count) if len(self.plans) > 1 else 0
        drawn = [self._fresh(rng, fresh), self._fitted(rng, count - fresh - moved)]
        if moved:
            drawn.append(self._moved(rng, moved))
        return np.concatenate(drawn).clip(-1, 1)

    def take(self, z: np.ndarray, parts: np.ndarray, price: float, weigh: Weigh) -> float:
        """Keep the best plans at a price of violations, fit to them; returns the least cost."""
        z, parts = np.concatenate([self.plans, z]), np.concatenate([self.parts, parts])
        total = parts[:, 0] + price * parts[:, 1]
        order = np.argsort(total, kind="stable")[: 4 * self.elites]
        _, different = np.unique(z[order].reshape(len(order), -1), axis=0, return_index=True)
        order = order[np.sort(different)][: self.elites]
        order = order[np.isfinite(total[order])]
        self.plans, self.parts = z[order], parts[order]
        if len(order):
            self._fit(weigh(total[order]))
        full = parts[:, 0] + PENALTY * parts[:, 1]
        return float(full.min())

    def _fit(self, weights: np.ndarray) -> None:
        old, floor = self.config.momentum, self.config.floor
        share = old * self.share + (1 - old) * self.levels.frequencies(self.plans, weights)
        self.share = (1 - floor) * share + floor * self.levels.uniform(len(share))
        if self.levels.wide.any():
            mean = np.tensordot(weights, self.plans, axes=1)
            variance = np.tensordot(weights, (self.plans - mean) ** 2, axes=1)
            self.mean = (old * self.mean + (1 - old) * mean).astype(np.float32)
            self.sigma = (old * self.sigma + (1 - old) * np.sqrt(variance)).astype(np.float32)

    def _fresh(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Plans constant over a few stretches."""
        index = self.levels.held(rng, count, len(self.mean))
        return self.levels.placed(index, noise.spread(rng, count, *self.mean.shape))

    def _fitted(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Plans of the distributions."""
        persistence = np.full((1, 1, 1), self.config.persistence)
        index = self.levels.drawn(rng, self.share, count, persistence)
        return self.levels.placed(index, self.mean + self.sigma * self._waves(rng, count))

    def _moved(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Elites with a geometrically distributed number of changes."""
        z = self.plans[rng.integers(0, len(self.plans), count)]
        if not self.levels.wide.any():
            return moves(rng, self.levels, z, self.plans)
        z[::2] = moves(rng, self.levels, z[::2], self.plans)
        scale = _SCALE ** rng.random((count, 1, 1), dtype=np.float32)
        near = self._waves(rng, count) * scale * _SIGMA
        near *= rng.random(near.shape, dtype=np.float32) < _CHANGED
        index = self.levels.index(z)
        return self.levels.placed(index, z + near * self.levels.wide)

    def _waves(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Noise of Gaussian entries, smooth and not, by turns. Shape (count, decisions, nu)."""
        if not self.levels.wide.any():
            return np.zeros((count, *self.mean.shape), dtype=np.float32)
        half = count // 2
        decisions, nu = self.mean.shape
        waves = noise.coloured(rng, half, decisions, nu, 2.0)
        white = rng.standard_normal((count - half, *self.mean.shape), dtype=np.float32)
        return np.concatenate([waves, white])


def search(
    decision: Decision,
    levels: Levels,
    config: IteratedConfig,
    weigh: Weigh,
    *,
    carried: Tensor | None = None,
) -> tuple[int, Tensor]:
    """Offer plans to `decision.best` until the deadline.

    Args:
        weigh: weights of elites.
        carried: plans to start from besides `decision.first`. Shape (k, decisions, nu).

    Returns:
        How many plans were evaluated, and the last elites, shape (k, decisions, nu).
    """
    objective, best, settings = decision.objective, decision.best, config.levels
    rng, samples = decision.state.rng(config.kind), config.samples * settings.factor
    first = decision.first.cpu().numpy()
    mean, count = first[-1].copy(), 0
    if carried is not None:
        first = np.concatenate([carried.cpu().numpy(), first])
    mixture, least, idle = Mixture(levels, settings, samples, mean), np.inf, 0
    # The last decision's plan is improved first, at the full price.
    begun = 0.0 if decision.state.plan is None else -np.inf
    for progress in _progress(config.iterations, decision.deadline):
        z = np.concatenate([first, mixture.draw(rng, samples)])
        z = objective.settled(z)
        parts = objective.scored(z, best)
        count, first = count + len(z), first[:0]
        risen = min(1.0, (progress - begun) / max(settings.soft, 1e-9))
        price = settings.price ** (1 - risen) * PENALTY**risen
        now = mixture.take(z, parts, price, weigh)
        idle = 0 if risen < 1 or now < least - 1e-6 * abs(now) else idle + 1
        least = min(least, now)
        if not len(mixture.plans) or idle >= settings.patience:
            mixture, least, idle = Mixture(levels, settings, samples, 0 * mean), np.inf, 0
            begun = progress
    return count, objective.tensor(mixture.plans)


def _progress(iterations: int | None, deadline: float | None) -> Iterator[float]:
    """What part of the time is gone, at every iteration."""
    started = time.perf_counter()
    total = iterations or (20 if deadline is None else None)
    for k in rounds(iterations, deadline, default=20):
        gone = k / total if total else 0.0
        if deadline is not None and deadline > started:
            gone = max(gone, (time.perf_counter() - started) / (deadline - started))
        yield gone
