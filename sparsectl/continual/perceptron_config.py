"""How a binary perceptron learns."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsectl.checks import whole, within
from sparsectl.continual.learners.optimiser_config import OptimiserConfig


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
        whole(self, "perceptron", "[0, inf)", "epochs")
        whole(self, "perceptron", "[1, inf)", "batch_size")
        within(self, "perceptron", "[0, inf)", "decay", "gamma")
