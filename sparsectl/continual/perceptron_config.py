"""How a binary perceptron learns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sparsectl.continual.learners.optimiser_config import OptimiserConfig
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class PerceptronConfig:
    """How a binary perceptron learns one task."""

    epochs: int = 500
    """Passes over the examples."""
    batch_size: int | None = None
    """Examples in a step; None: all of them."""
    optimiser: OptimiserConfig = field(
        default_factory=lambda: OptimiserConfig("sgd", 0.03, momentum=0.9)
    )
    """Of theta. Gradients are summed over a batch."""
    decay: float = 0.0
    """theta loses rate * decay of itself in every step, apart from the gradient."""
    gamma: float = 1.0
    """KL divergences to the prior in an epoch, where there is a prior."""

    def __post_init__(self) -> None:
        if self.epochs < 0 or (self.batch_size is not None and self.batch_size < 1):
            raise ConfigError(
                f"perceptron: {self.epochs} epochs in batches of {self.batch_size}, expected at "
                "least 0 and at least 1"
            )
        for name in ("decay", "gamma"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"perceptron: {name} is {value}, expected at least 0")
