"""Settings of the experiments that are held against the theory."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsectl.checks import whole
from sparsectl.continual.learners.optimiser_config import OptimiserConfig
from sparsectl.continual.perceptron_config import PerceptronConfig


def _adam(rate: float, epochs: int, batch: int | None, decay: float) -> PerceptronConfig:
    return PerceptronConfig(epochs, batch, OptimiserConfig("adam", rate), decay)


@dataclass(frozen=True)
class ExperimentConfig:
    """Teacher and student perceptrons; one task in minibatches, two tasks in full batches."""

    neurons: int = 1000
    """Inputs N; a task has alpha N examples."""
    trials: int = 8
    """Independent draws of inputs, teachers and first fields."""
    seed: int = 0
    """Of all draws."""
    single: PerceptronConfig = field(default_factory=lambda: _adam(0.005, 1500, 128, 0.05))
    """Learning where there is one task."""
    first: PerceptronConfig = field(default_factory=lambda: _adam(0.001, 5000, None, 0.001))
    """Learning of the first of two tasks."""
    second: PerceptronConfig = field(default_factory=lambda: _adam(0.005, 5000, None, 0.001))
    """Learning of the second; its gamma is that of the point."""

    def __post_init__(self) -> None:
        whole(self, "experiment", "[2, inf)", "neurons")
        whole(self, "experiment", "[1, inf)", "trials")
