"""Settings of fitting a network."""

from __future__ import annotations

from dataclasses import dataclass

from sparsectl.checks import whole, within


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted, by Adam on a rate that decays to zero."""

    epochs: int = 200
    """Passes through the rows, at most."""
    batch_size: int = 128
    learning_rate: float = 3e-3
    """Rate at the start."""
    patience: int = 40
    """Passes without a lower held-out error before stopping."""
    held_out: float = 0.1
    """Share of the episodes that decides when to stop and which weights are kept."""

    def __post_init__(self) -> None:
        whole(self, "fit", "[1, inf)", "epochs", "batch_size", "patience")
        within(self, "fit", "(0, inf)", "learning_rate")
        within(self, "fit", "(0, 1)", "held_out")
