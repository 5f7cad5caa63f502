"""Settings of the search for plans with levels."""

from __future__ import annotations

from dataclasses import dataclass

from sparsectl.checks import whole, within


@dataclass(frozen=True)
class LevelsConfig:
    """How plans are searched whose entries take levels (or are semicontinuous)."""

    factor: int = 4
    """So many times `samples` plans per iteration: they cost little and repeat one another."""
    elites: int = 40
    """Different plans that the probabilities are fitted to, at most one for 8 samples."""
    moved: float = 0.65
    """Fraction of the samples that are elites with a few changes."""
    fresh: float = 0.1
    """Fraction of the samples that are drawn without regard to the elites."""
    persistence: float = 0.8
    """Probability that a decision repeats the quantile of the one before."""
    momentum: float = 0.3
    """Weight of the old probabilities in the new ones."""
    floor: float = 0.01
    """Share of a uniform distribution in the probabilities."""
    price: float = 3.0
    """Of a unit of constraint violation, at the start of a search."""
    soft: float = 0.65
    """Part of the time during which that price rises to its full height."""
    patience: int = 20
    """Iterations without a better plan after which the search starts over."""

    def __post_init__(self) -> None:
        whole(self, "levels", "[2, inf)", "elites")
        whole(self, "levels", "[1, inf)", "factor", "patience")
        within(self, "levels", "[0, 1)", "moved", "fresh", "persistence", "momentum")
        within(self, "levels", "(0, 1]", "floor")
        within(self, "levels", "[0, 1]", "soft")
        within(self, "levels", "(0, inf)", "price")
