"""Shape of a multilayer perceptron, or of an ensemble of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sparsectl.checks import within
from sparsectl.dynamics.structure import StructureConfig
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class MLPConfig:
    """A ReLU network x' = x + G u + scale * net([relative state; u]), or an ensemble of them."""

    kind: ClassVar[str] = "mlp"
    hidden: tuple[int, ...] = (64, 64)
    """Neurons in each hidden layer, ReLUs at first; empty for an affine model."""
    members: int = 1
    """Networks in the ensemble, whose mean is the model; 1: a single network."""
    structure: StructureConfig = field(default_factory=StructureConfig)
    """What is known beforehand."""
    skip: bool = True
    """Add an affine path from the input to the output. It needs no ReLU, so it is free when
    planning, and it lets a small network spend its ReLUs on what is not affine."""

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise ConfigError(f"model hidden: widths must be positive, got {list(self.hidden)}")
        within(self, "model", "[1, inf)", "members")
