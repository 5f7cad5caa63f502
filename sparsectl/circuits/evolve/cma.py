"""CMA-ES (Hansen 2016, arXiv 1604.00772) of the library `cmaes`, full or diagonal covariance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cmaes
import numpy as np

from sparsectl import seeding
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.evolve.strategy import Arrays, Strategy, checked
from sparsectl.errors import ConfigError

LARGEST = 1000
"""Parameters of a full covariance matrix: its eigenvalues cost n^3 in every generation."""


class CMA(Strategy):
    """Searches in units of `scale`; begins again at its mean where the library says to stop.

    The library's state is a function of the returns so far, which is what is saved: `restore`
    tells them again.

    Args:
        start: first mean (n,).
        scale: factors of sigma (n,).

    Raises:
        ConfigError: more parameters than `LARGEST` with method `cma`.
    """

    def __init__(self, start: np.ndarray, config: TrainConfig, scale: np.ndarray) -> None:
        if config.method == "cma" and len(start) > LARGEST:
            raise ConfigError(
                f"method 'cma' with {len(start)} parameters: at most {LARGEST} are sensible; "
                "choose 'sepcma' or 'es'"
            )
        self._kind: Any = cmaes.CMA if config.method == "cma" else cmaes.SepCMA
        self._start, self._config, self._scale = start.copy(), config, scale
        self._begin(np.zeros_like(start))

    def _begin(self, centre: np.ndarray) -> None:
        self.generation, self.restarts = 0, 0
        self._told: list[np.ndarray] = []
        self._library = self._search(centre)
        self._candidates = self._draw()

    def _search(self, centre: np.ndarray) -> Any:
        size = self._config.population
        return self._kind(mean=centre, sigma=self._config.sigma, population_size=size)

    @property
    def mean(self) -> np.ndarray:
        return self._start + self._scale * self._library.mean

    def ask(self) -> np.ndarray:
        return self._start + self._scale * self._candidates

    def tell(self, returns: np.ndarray, progress: float = 0.0) -> None:
        returns = checked(returns, self._config.population)
        # Losses that are not finite would end up in the library's stopping rules.
        worst = np.nanmin(returns) - 1.0 if not np.isnan(returns).all() else 0.0
        returns = np.where(np.isnan(returns), worst, returns)
        self._library.tell([(x, -r) for x, r in zip(self._candidates, returns, strict=True)])
        self._told.append(returns)
        self.generation += 1
        if self._library.should_stop():
            self.restarts += 1
            self._library = self._search(self._library.mean.copy())
        self._candidates = self._draw()

    def arrays(self) -> Arrays:
        shape = (self.generation, self._config.population)
        return {"told": np.array(self._told, np.float64).reshape(shape)}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._begin(np.zeros_like(self._start))
        for returns in arrays["told"]:
            self.tell(returns)

    def facts(self) -> dict[str, float]:
        spread = np.std(self._candidates - self._library.mean, axis=0)
        return {"sigma": float(np.sqrt(np.mean(spread**2))), "restarts": self.restarts}

    def _draw(self) -> np.ndarray:
        """Candidates of this generation, in units of `scale` (P, n)."""
        seed = seeding.integer(self._config.seed, "noise", self.generation)
        self._library.reseed_rng(seed)
        return np.array([self._library.ask() for _ in range(self._config.population)])
