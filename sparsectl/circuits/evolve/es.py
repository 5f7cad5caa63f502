"""Evolution strategy: mirrored Gaussian candidates, ranks as weights, Adam.

Salimans et al. 2017, "Evolution strategies as a scalable alternative to reinforcement learning".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sparsectl import seeding
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.evolve.strategy import Arrays, Strategy, centred_ranks, checked

_BETA = (0.9, 0.999)
_EPSILON = 1e-8


class ES(Strategy):
    """Ascent along `sum_i rank_i noise_i / (P sigma)`, in units of `scale`.

    Args:
        start: first mean (n,).
        scale: factors of sigma and learning_rate (n,).
    """

    def __init__(self, start: np.ndarray, config: TrainConfig, scale: np.ndarray) -> None:
        self._mean, self.generation = start.copy(), 0
        self._config, self._scale = config, scale
        self._first, self._second = np.zeros_like(start), np.zeros_like(start)
        self._sigma, self._rate, self._norm = config.sigma, config.learning_rate, 0.0

    @property
    def mean(self) -> np.ndarray:
        return self._mean.copy()

    def ask(self) -> np.ndarray:
        return self._mean + self._sigma * self._scale * self._noise()

    def tell(self, returns: np.ndarray, progress: float = 0.0) -> None:
        config = self._config
        ranks = centred_ranks(checked(returns, config.population))
        gradient = ranks @ self._noise() / (config.population * self._sigma)
        self._norm = float(np.linalg.norm(gradient))
        if config.clip is not None:
            gradient = np.clip(gradient, -config.clip, config.clip)
        self.generation += 1
        self._first += (1 - _BETA[0]) * (gradient - self._first)
        self._second += (1 - _BETA[1]) * (gradient**2 - self._second)
        first = self._first / (1 - _BETA[0] ** self.generation)
        second = self._second / (1 - _BETA[1] ** self.generation)
        self._mean += self._rate * self._scale * first / (np.sqrt(second) + _EPSILON)
        factor = config.decay ** min(progress, 1.0)
        self._sigma, self._rate = factor * config.sigma, factor * config.learning_rate

    def arrays(self) -> Arrays:
        scalars = np.array([self.generation, self._sigma, self._rate, self._norm])
        return {
            "mean": self.mean,
            "first": self._first.copy(),
            "second": self._second.copy(),
            "scalars": scalars,
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._mean = np.array(arrays["mean"])
        self._first, self._second = np.array(arrays["first"]), np.array(arrays["second"])
        generation, self._sigma, self._rate, self._norm = map(float, arrays["scalars"])
        self.generation = int(generation)

    def facts(self) -> dict[str, float]:
        return {"sigma": self._sigma, "gradient": self._norm}

    def _noise(self) -> np.ndarray:
        """Standard normal, the second half mirroring the first (P, n)."""
        rng = seeding.generator(self._config.seed, "noise", self.generation)
        half = rng.standard_normal((self._config.population // 2, len(self._mean)))
        return np.concatenate([half, -half])
