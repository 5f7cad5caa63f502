"""Keep-out regions over a batch of action boxes.

A point is outside a convex region where it is beyond at least one face. Bounds of the point along
the faces' normals tell which faces it can be beyond over a box: with none of them the box holds no
plan. With the faces K, whose m_k <= a_k p for all plans of the box, the terms of
`sum over K of (a_k p - m_k) / (b_k - m_k) >= 1` are never negative and one of them is at least 1,
so this linear inequality holds; for one face it is the face's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsectl.mip.ocp import FEASIBLE
from sparsectl.mip.search.boxes.relaxation import Relaxation
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.crown import Lines
from sparsectl.task import Problem
from sparsectl.task.keep_out import KeepOut


@dataclass(frozen=True)
class Rows:
    """One inequality `direction p >= side` per place and box, both 0 where there is none.

    Attributes:
        direction: Shape (B, S, 2).
        side: Shape (B, S).
        loose: how deep inside the region points may be all the same, about. Shape (B, S).
        possible: faces that the point can be beyond. Shape (B, S, K).
        empty: boxes without a plan. Shape (B,).
    """

    direction: np.ndarray
    side: np.ndarray
    loose: np.ndarray
    possible: np.ndarray
    empty: np.ndarray


class Places:
    """The S pairs of a step and a region's point that the whole action box leaves undecided.

    Attributes:
        points: the points over states x_1..x_H. Shape (2 S, H nx).
        low, high: bounds over the whole action box of Q linear forms: points along normals,
            opposite normals sharing one. Shape (1, Q).
    """

    def __init__(self, relaxation: Relaxation, problem: Problem, bounds: HorizonBounds) -> None:
        regions, horizon, nx = problem.constraints.keep_out, problem.horizon, problem.nx
        self._relaxation = relaxation
        A, b, P = _padded(regions, nx)
        forms, form, sign = _distinct(np.matmul(A, P).reshape(-1, nx))
        form, sign = form.reshape(b.shape), sign.reshape(b.shape)
        steps = np.arange(horizon)
        # Every region at every step, the step varying slowest.
        self._A, self._b, self._sign = (np.concatenate([v] * horizon) for v in (A, b, sign))
        self._form = (steps[:, None, None] * len(forms) + form).reshape(self._b.shape)
        self._forms, self._step = np.tile(forms, (horizon, 1)), np.repeat(steps, len(forms))
        placed = np.zeros((horizon, *P.shape[:2], horizon, nx))
        placed[steps, :, :, steps] = P
        self.points = placed.reshape(-1, 2, horizon * nx)
        self.low = np.full((1, len(self._forms)), -np.inf)
        self.high = np.full((1, len(self._forms)), np.inf)
        lines = Lines.of(bounds.pre_low[None], bounds.pre_high[None])
        self.tighten(lines, self.low, self.high, bounds.u_low[None], bounds.u_high[None], 0)
        self._keep(~self._outside(self.low, self.high)[0])

    def __len__(self) -> int:
        return len(self._b)

    def _keep(self, kept: np.ndarray) -> None:
        """Only some places, and the forms that they need."""
        self.points = self.points[kept].reshape(-1, self.points.shape[-1])
        self._A, self._b, self._sign = self._A[kept], self._b[kept], self._sign[kept]
        used, form = np.unique(self._form[kept], return_inverse=True)
        self._form = form.reshape(self._b.shape)
        self._forms, self._step = self._forms[used], self._step[used]
        self.low, self.high = self.low[:, used], self.high[:, used]

    def tighten(
        self, lines: Lines, low: np.ndarray, high: np.ndarray,
        u_low: np.ndarray, u_high: np.ndarray, first: int,
    ) -> np.ndarray:  # fmt: skip
        """Improve the forms' bounds (B, Q) where they matter, in place.

        Args:
            lines: sound relaxations of the neurons.
            low, high: sound bounds; updated.
            u_low, u_high: action boxes. Shape (B, H, nu).
            first: earlier steps are as tight as they get.

        Returns:
            How every form depends on the actions. Shape (B, Q, H nu).
        """
        by_action = np.zeros((*low.shape, u_low[0].size))
        open_ = self._possible(low, high) & ~self._outside(low, high)[:, :, None]
        matter = np.zeros(low.shape[1], dtype=bool)
        matter[self._form[open_.any(axis=0)]] = True
        for t in range(first, self._relaxation.horizon):
            wanted = np.flatnonzero(matter & (self._step == t))
            if len(wanted):
                least, most, slopes = self._relaxation.of_states(
                    t, self._forms[wanted], lines, u_low, u_high
                )
                low[:, wanted] = np.maximum(low[:, wanted], least)
                high[:, wanted] = np.minimum(high[:, wanted], most)
                by_action[:, wanted] = slopes
        return by_action

    def rows(self, low: np.ndarray, high: np.ndarray) -> Rows:
        """What bounds of the forms (B, Q) imply."""
        possible, outside = self._possible(low, high), self._outside(low, high)
        empty = np.asarray(~(possible.any(-1) | outside).all(-1))
        room = np.where(possible, self._b - self._least(low, high), np.inf)
        closest = room.min(-1, initial=np.inf)
        used = np.isfinite(closest) & ~outside
        closest = np.where(used, closest, 0.0)
        # Scaled so that the face with the largest weight keeps its normal's length.
        weight = np.where(possible, closest[..., None] / np.where(room > 0, room, 1.0), 0.0)
        least = np.where(possible, self._least(low, high), 0.0)
        direction = np.einsum("bsk,skd->bsd", weight, self._A)
        side = closest + (weight * least).sum(-1)
        loose = closest * (possible.sum(-1) > 1)
        return Rows(direction, side, loose, possible & used[..., None], empty)

    def shares(self, rows: Rows, by_action: np.ndarray) -> np.ndarray:
        """How every place depends on the actions. Shape (B, S, H nu)."""
        size = abs(by_action)[:, self._form]
        return np.einsum("bsk,bski->bsi", rows.possible.astype(float), size)

    def _least(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return np.where(self._sign > 0, low[:, self._form], -high[:, self._form])

    def _possible(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        most = np.where(self._sign > 0, high[:, self._form], -low[:, self._form])
        return (most >= self._b) & np.isfinite(self._b)

    def _outside(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Places that are beyond one face for all plans of the box. Shape (B, S)."""
        return np.asarray((self._least(low, high) >= self._b).any(-1))


def _padded(regions: Sequence[KeepOut], nx: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normals (R, K, 2), offsets (R, K) and points (R, 2, nx); no point is beyond a padded face.

    Offsets are lower by the violation that plans may have: no box with an accepted plan is empty.
    """
    faces = max((len(region.b) for region in regions), default=0)
    A, b = np.zeros((len(regions), faces, 2)), np.full((len(regions), faces), np.inf)
    for i, region in enumerate(regions):
        A[i, : len(region.b)], b[i, : len(region.b)] = region.A, region.b - FEASIBLE
    return A, b, np.array([region.P for region in regions]).reshape(-1, 2, nx)


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that differ by more than their sign; for every row which one it is, and the sign."""
    first = np.take_along_axis(rows, abs(rows).argmax(1)[:, None], 1) if rows.size else rows[:, :1]
    sign = np.where(first[:, 0] < 0, -1.0, 1.0)
    kept, where = np.unique(sign[:, None] * rows, axis=0, return_inverse=True)
    return kept, where.reshape(-1), sign
