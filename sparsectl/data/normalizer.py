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
    def fit(
        cls,
        values: np.ndarray,
        *,
        name: str | None = "feature",
        of: np.ndarray | None = None,
    ) -> Normalizer:
        """Statistics of rows.

        An entry that never changes, but for rounding, gets standard deviation 1 and a warning, so
        that it cannot blow up numerical noise. Entries may be of very different units, so each is
        judged by its own magnitude; next to the liveliest one only what 64-bit numbers of its
        size cannot hold counts as noise.

        Args:
            values: Shape (n, k).
            name: in the warning; None: no warning.
            of: numbers that the values are differences of, which round more. Shape (m, k).
        """
        values = np.asarray(values, dtype=np.float64)
        mean, std = values.mean(0), values.std(0)
        rounding = np.maximum(_rounding(values), 0.0 if of is None else _rounding(of))
        noise = 1e-13 * std.max(initial=0.0)
        constant = std <= np.maximum(rounding, max(noise, np.finfo(np.float64).tiny))
        if constant.any() and name is not None:
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


def _rounding(values: np.ndarray) -> np.ndarray:
    """How far rounding alone may spread an entry. Shape (n, k) -> (k,)."""
    with np.errstate(over="ignore"):
        single = (values == values.astype(np.float32)).all(0)
    least = np.where(single, np.finfo(np.float32).eps / 2, 64 * np.finfo(np.float64).eps)
    return least * np.abs(values).max(0, initial=0.0)
