"""A box cut by half-spaces, and sound maxima of linear forms over it."""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np
import scipy.sparse as sp

from sparsectl.mip.backends import highs_model
from sparsectl.mip.model import MIPModel

Cut = tuple[np.ndarray, float]
"""(a, b): the half-space `a v + b >= 0`."""


class Region:
    """Box with half-spaces that come and go, in a HiGHS model that is re-solved warm.

    Args:
        low, high: the box. Shape (n,), finite.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        n = len(low)
        none, index = np.zeros(0), np.zeros((0, 0), dtype=int)
        box = MIPModel(
            c=np.zeros(n), q=np.zeros(n), offset=0.0, low=low, high=high,
            binary=np.zeros(n, dtype=bool), A=sp.csr_array((0, n)), row_low=none, row_high=none,
            u=index, x=index, neurons=np.zeros((0, 5), dtype=int),
        )  # fmt: skip
        self._highs = highs_model.load(box, relax=True)
        self._highs.setOptionValue("presolve", "off")
        self._highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        self._low, self._high = low, high
        self._columns = np.arange(n, dtype=np.int32)
        self._cuts: list[Cut] = []
        self._rows, self._sides = np.zeros((0, n)), np.zeros(0)
        self.programs = 0

    def keep(self, cuts: Sequence[Cut]) -> None:
        """Exactly these half-spaces. Those that are there already, by identity, stay."""
        same = 0
        while same < min(len(cuts), len(self._cuts)) and cuts[same] is self._cuts[same]:
            same += 1
        gone = np.arange(same, len(self._cuts), dtype=np.int32)
        if len(gone):
            self._highs.deleteRows(len(gone), gone)
        n = len(self._columns)
        for row, side in cuts[same:]:
            self._highs.addRow(-side, highspy.kHighsInf, n, self._columns, row)
        self._cuts = list(cuts)
        self._rows = np.array([row for row, _ in cuts]).reshape(-1, n)
        self._sides = np.array([side for _, side in cuts])

    def maximum(self, row: np.ndarray, side: float) -> tuple[float, np.ndarray | None]:
        """Upper bound on `row v + side` over the region, and a point that nearly attains it.

        With any y >= 0 the maximum over the box of `row v + side + y (rows v + sides)` is such a
        bound; the LP's multipliers make it tight, and if the solver fails it is still valid.
        """
        self._highs.changeColsCost(len(self._columns), self._columns, row)
        self._highs.run()
        self.programs += 1
        y, point = np.zeros(len(self._sides)), None
        if self._highs.getModelStatus() == highspy.HighsModelStatus.kOptimal:
            solution = self._highs.getSolution()
            y = abs(np.asarray(solution.row_dual))
            point = np.clip(np.asarray(solution.col_value), self._low, self._high)
        form = row + y @ self._rows
        bound = side + y @ self._sides + np.maximum(form * self._low, form * self._high).sum()
        return float(bound), point
