"""Settings of Adam and of gradient descent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sparsectl.errors import ConfigError, nearest

METHODS = ("adam", "sgd")


@dataclass(frozen=True)
class OptimiserConfig:
    """How gradients become steps."""

    method: Literal["adam", "sgd"] = "adam"
    """`adam` (Kingma & Ba 2015, algorithm 1) or `sgd`, with `momentum`."""
    rate: float = 0.01
    """Learning rate, in units of weights that are about 1."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's decay of the means of gradients and of their squares."""
    epsilon: float = 1e-8
    """Adam's floor of the root mean square."""
    momentum: float = 0.0
    """Of `sgd`, from 0 to below 1."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(
                f"optimiser: no method '{self.method}'" + nearest(self.method, METHODS)
            )
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"optimiser: rate is {self.rate}, expected above 0")
        if not (self.epsilon > 0 and math.isfinite(self.epsilon)):
            raise ConfigError(f"optimiser: epsilon is {self.epsilon}, expected above 0")
        for name, value in (
            ("betas[0]", self.betas[0]),
            ("betas[1]", self.betas[1]),
            ("momentum", self.momentum),
        ):
            if not 0 <= value < 1:
                raise ConfigError(f"optimiser: {name} is {value}, expected from 0 to below 1")
