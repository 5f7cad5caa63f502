"""Cells of sampled states: the cheapest state of each, and what it costs to go from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Seen:
    """Cells of one step and what they cost to go.

    Attributes:
        unit: size of a cell. Shape (nx,).
        codes: sorted hashes of cells. Shape (cells,).
        to_go: Shape (cells,).
    """

    unit: np.ndarray
    codes: np.ndarray
    to_go: np.ndarray

    def look_up(self, x: np.ndarray) -> np.ndarray:
        """Cost-to-go of states; inf where nothing is known."""
        codes = hashes(x, self.unit)
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[at] == codes, self.to_go[at], np.inf)


def hashes(x: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """A number for the cell of every state. Shapes (n, nx), (nx,) -> (n,)."""
    whole = np.floor(x / unit + 0.5).astype(np.int64)
    code = np.zeros(len(x), dtype=np.int64)
    for column in whole.T:
        code = code * np.int64(1_000_003) + column
    return code


def cheapest(
    x: np.ndarray, cost: np.ndarray, unit: np.ndarray, width: int, factor: float
) -> tuple[np.ndarray, float, np.ndarray]:
    """The cheapest state of every cell, cells being stretched until there are few enough."""
    order = np.argsort(cost, kind="stable")
    while True:
        codes = hashes(x, factor * unit)
        _, first = np.unique(codes[order], return_index=True)
        if len(first) <= width:
            return order[np.sort(first)], factor, codes
        factor *= 1.3
