"""Settings of Adam and of gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sparsectl.checks import choices, within


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
        choices(self, "optimiser")
        within(self, "optimiser", "(0, inf)", "rate", "epsilon")
        within(self, "optimiser", "[0, 1)", "betas", "momentum")
