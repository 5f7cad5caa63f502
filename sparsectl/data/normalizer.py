"""Means and standard deviations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Normalizer:
    """Affine map to zero mean and unit variance.

    Attributes:
        mean: Shape (k,).
        std: Shape (k,), positive.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, *, name: str = "feature", floor: float = 1e-6) -> Normalizer:
        """Statistics of rows. Shape (n, k).

        An entry that (nearly) never changes gets standard deviation 1 and a warning, so that
        it cannot blow up numerical noise. "Nearly" is relative to its own magnitude and to the
        liveliest entry.
        """
        values = np.asarray(values, dtype=np.float64)
        mean, std = values.mean(0), values.std(0)
        least = floor * np.maximum(np.abs(mean), std.max(initial=0.0))
        constant = std <= np.maximum(least, np.finfo(np.float64).tiny)
        if constant.any():
            where = ", ".join(str(i) for i in np.flatnonzero(constant)[:10])
            warnings.warn(
                f"{int(constant.sum())} of {len(std)} entries of {name} are constant in the data "
                f"(entries {where}): they are not scaled",
                stacklevel=2,
            )
        return cls(mean, np.where(constant, 1.0, std))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Normalised values. Shape (..., k)."""
        return (values - self.mean) / self.std

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Physical values of normalised ones. Shape (..., k)."""
        return values * self.std + self.mean
