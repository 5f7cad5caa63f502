"""Keep-out regions over a batch of action boxes.

A point is outside a convex region where it is beyond at least one face. Bounds of the point along
the faces' normals tell which faces it can be beyond over a box: with none of them the box holds no
plan. With the faces K, whose m_k <= a_k p for all plans of the box, the terms of
`sum over K of (a_k p - m_k) / (b_k - m_k) >= 1` are never negative and one of them is at least 1,
so this linear inequality holds; for one face it is the face's own.

Where a region holds between planned points both ends of a step are beyond the same face: each has
an inequality of its own, of the faces that both can be beyond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.mip.ocp import FEASIBLE
from sparsectl.mip.search.boxes.relaxation import Relaxation
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.crown import Lines
from sparsectl.task import Problem


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
    """The S ends of steps in a region that the whole action box leaves undecided.

    Attributes:
        points: the points over states x_1..x_H. Shape (2 S, H nx).
        low, high: bounds over the whole action box of Q linear forms: points along normals,
            opposite normals sharing one. Shape (1, Q).
    """

    def __init__(self, relaxation: Relaxation, problem: Problem, bounds: HorizonBounds) -> None:
        horizon, nx = problem.horizon, problem.nx
        self._relaxation = relaxation
        found = _Ends(problem)
        forms, form, sign = _distinct(np.matmul(found.A, found.P).reshape(-1, nx))
        self._A, self._b, self._other = found.A, found.b, found.other
        self._sign, form = sign.reshape(found.b.shape), form.reshape(found.b.shape)
        self._form = found.step[:, None] * len(forms) + form
        self._forms = np.tile(forms, (horizon, 1))
        self._step = np.repeat(np.arange(horizon), len(forms))
        placed = np.zeros((len(found.b), 2, horizon, nx))
        placed[np.arange(len(found.b)), :, found.step] = found.P
        self.points = placed.reshape(-1, horizon * nx)
        self.low = np.full((1, len(self._forms)), -np.inf)
        self.high = np.full((1, len(self._forms)), np.inf)
        lines = Lines.of(bounds.pre_low[None], bounds.pre_high[None])
        self.tighten(lines, self.low, self.high, bounds.u_low[None], bounds.u_high[None])
        self._keep(~self._outside(self.low, self.high)[0])

    def __len__(self) -> int:
        return len(self._b)

    def _keep(self, kept: np.ndarray) -> None:
        """Only some places, and the forms that they need."""
        self.points = self.points[np.repeat(kept, 2)]
        self._other = (np.cumsum(kept) - 1)[self._other[kept]]
        self._A, self._b, self._sign = self._A[kept], self._b[kept], self._sign[kept]
        used, form = np.unique(self._form[kept], return_inverse=True)
        self._form = form.reshape(self._b.shape)
        self._forms, self._step = self._forms[used], self._step[used]
        self.low, self.high = self.low[:, used], self.high[:, used]

    def tighten(
        self, lines: Lines, low: np.ndarray, high: np.ndarray,
        u_low: np.ndarray, u_high: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        """Improve the forms' bounds (B, Q) where they matter, in place.

        Args:
            lines: sound relaxations of the neurons.
            low, high: sound bounds; updated.
            u_low, u_high: action boxes. Shape (B, H, nu).

        Returns:
            How every form depends on the actions. Shape (B, Q, H nu).
        """
        by_action = np.zeros((*low.shape, u_low[0].size))
        open_ = self._possible(low, high) & ~self._outside(low, high)[:, :, None]
        matter = np.zeros(low.shape[1], dtype=bool)
        matter[self._form[open_.any(axis=0)]] = True
        for t in range(self._relaxation.horizon):
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
        # An end that is beyond one of the faces for sure may be beyond that one.
        used = np.isfinite(closest) & ~outside & (closest > 0)
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
        return self._both((most >= self._b) & np.isfinite(self._b))

    def _outside(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Places that are beyond one face for all plans of the box. Shape (B, S)."""
        return np.asarray(self._both(self._least(low, high) >= self._b).any(-1))

    def _both(self, beyond: np.ndarray) -> np.ndarray:
        """Faces that the other end of a step is beyond, too. Shape (B, S, K)."""
        return beyond & beyond[:, self._other]


class _Ends:
    """Every end of a step of every region, the step varying slowest.

    No point is beyond a padded face, nor beyond one that the present point rules out for the first
    step. Offsets are lower by the violation that plans may have: no box with an accepted plan is
    empty.

    Attributes:
        A, b, P: normals (S, K, 2), offsets (S, K) and points (S, 2, nx).
        step: of the end, 0 for x_1. Shape (S,).
        other: the other end of the same step; the end itself where there is none. Shape (S,).
    """

    def __init__(self, problem: Problem) -> None:
        regions, horizon = problem.constraints.keep_out, problem.horizon
        faces = max((len(region.A) for region in regions), default=0)
        normals, offsets, points = [], [], []
        steps: list[int] = []
        other: list[int] = []
        for t in range(horizon):
            for region in regions:
                sides, count = region.sides(horizon) - FEASIBLE, len(region.A)
                end = sides[t + 1].copy()
                if region.between and t == 0:
                    now = sides[0] - region.A @ (region.P @ problem.x0)
                    end[now > max(float(now.min()) + FEASIBLE, 0.0)] = np.inf
                ends = [(t, end)]
                if region.between and t > 0:
                    ends.append((t - 1, sides[t]))
                ends = [(step, b) for step, b in ends if (b > -np.inf).any()]
                first = len(steps)
                other += [first + k for k in reversed(range(len(ends)))]
                for step, b in ends:
                    A, padded = np.zeros((faces, 2)), np.full(faces, np.inf)
                    A[:count], padded[:count] = region.A, b
                    normals.append(A)
                    offsets.append(padded)
                    points.append(region.P)
                    steps.append(step)
        self.A = np.array(normals).reshape(len(steps), faces, 2)
        self.b = np.array(offsets).reshape(len(steps), faces)
        self.P = np.array(points).reshape(len(steps), 2, problem.nx)
        self.step, self.other = np.array(steps, dtype=int), np.array(other, dtype=int)


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that differ by more than their sign; for every row which one it is, and the sign."""
    first = np.take_along_axis(rows, abs(rows).argmax(1)[:, None], 1) if rows.size else rows[:, :1]
    sign = np.where(first[:, 0] < 0, -1.0, 1.0)
    kept, where = np.unique(sign[:, None] * rows, axis=0, return_inverse=True)
    return kept, where.reshape(-1), sign
