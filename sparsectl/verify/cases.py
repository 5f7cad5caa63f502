"""Parts of a box of starts from which some neurons are known to be on or off.

A neuron that turns inside a box is split into two cases. In each the neuron is exact, and its
bounds as forms of the start cut a half-space off: where the form above it is negative it is not
on, where the form below it is not negative it is not off (as Clip-and-Verify does with the clauses
of a branch, https://arxiv.org/abs/2512.11087). Together the cases hold all starts of the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

OPEN = 3
_ROUNDING = 1e-9
_ROUNDS, _OVERLAP = 2, 2.0


@dataclass(frozen=True)
class Case:
    """Starts x with low <= x <= high and rows @ x + sides >= 0.

    Attributes:
        low, high: Shape (nx,).
        rows, sides: Shapes (R, nx) and (R,).
        known: step, neuron and whether it is on.
        kind: what is proved of all of them, see `search.KINDS`.
    """

    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    sides: np.ndarray
    known: tuple[tuple[int, int, bool], ...] = ()
    kind: int = OPEN

    @classmethod
    def box(cls, low: np.ndarray, high: np.ndarray) -> Case:
        """All starts of a box."""
        return cls(low, high, np.zeros((0, len(low))), np.zeros(0))

    def within(self, low: np.ndarray, high: np.ndarray) -> Case | None:
        """What of it is in a box; None: nothing."""
        low, high = np.maximum(self.low, low), np.minimum(self.high, high)
        for _ in range(_ROUNDS if len(self.rows) else 0):
            for row, side in zip(self.rows, self.sides, strict=True):
                low, high = _clip(low, high, row, side)
        if (low > high).any():
            return None
        least = np.minimum(self.rows * low, self.rows * high).sum(1) + self.sides
        cuts = least < 0
        return replace(self, low=low, high=high, rows=self.rows[cuts], sides=self.sides[cuts])

    def where(self, turn: Turn, on: bool) -> Case | None:
        """Its starts from which a neuron may be on (off); None: there are none."""
        row, side = (turn.above, turn.most) if on else (-turn.below, -turn.least)
        rows, sides = np.concatenate([self.rows, row[None]]), np.append(self.sides, side)
        known = (*self.known, (turn.step, turn.neuron, on))
        return replace(self, rows=rows, sides=sides, known=known).within(self.low, self.high)


@dataclass(frozen=True)
class Turn:
    """A neuron whose sign is not known: below'x + least <= its pre-activation <= above'x + most."""

    step: int
    neuron: int
    below: np.ndarray
    least: float
    above: np.ndarray
    most: float

    def divides(self, case: Case) -> bool:
        """Whether most starts of a case are in one of its cases only."""
        middle, half = (case.low + case.high) / 2, (case.high - case.low) / 2
        reach = abs(self.below + self.above) @ half / 2
        return bool((self.above - self.below) @ middle + self.most - self.least < _OVERLAP * reach)

    def cases(self, case: Case) -> list[Case]:
        """Both, or that which has starts."""
        return [c for c in (case.where(self, True), case.where(self, False)) if c is not None]


@dataclass(frozen=True)
class Parts:
    """Many cases as arrays.

    Attributes:
        low, high: Shape (B, nx).
        rows, sides: Shapes (B, R, nx) and (B, R); unused ones are 0.
        known: pairs of a case and of step, neuron, on.
    """

    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    sides: np.ndarray
    known: list[tuple[int, int, int, bool]] = field(default_factory=list)

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Parts:
        """All of them, at least one."""
        most, n = max(len(c.rows) for c in cases), len(cases[0].low)
        rows, sides = np.zeros((len(cases), most, n)), np.zeros((len(cases), most))
        for k, case in enumerate(cases):
            rows[k, : len(case.rows)], sides[k, : len(case.rows)] = case.rows, case.sides
        low, high = (np.stack([getattr(c, e) for c in cases]) for e in ("low", "high"))
        return cls(
            low, high, rows, sides, [(k, *at) for k, c in enumerate(cases) for at in c.known]
        )


def least_of_box(
    form: np.ndarray, constant: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Least values of forms over boxes. Shapes (B, k, n), (B, k) and twice (B, n) -> (B, k)."""
    middle, radius = (low + high)[..., None] / 2, (high - low)[..., None] / 2
    return constant + (np.matmul(form, middle) - np.matmul(abs(form), radius))[..., 0]


def least_of_cut(
    form: np.ndarray, constant: np.ndarray, low: np.ndarray, high: np.ndarray,
    rows: np.ndarray, sides: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Lower bounds of forms over boxes cut by half-spaces, by multipliers of the cuts.

    One multiplier after the other is set to what is best for it, which is where an entry of the
    form that is left changes its sign; any that is not negative gives a bound.

    Args:
        form, constant: Shapes (B, k, n) and (B, k).
        low, high: Shape (B, n).
        rows, sides: rows @ x + sides >= 0. Shapes (B, R, n) and (B, R).

    Returns:
        Shape (B, k).
    """
    best = least_of_box(form, constant, low, high)
    free = np.flatnonzero((high > low).any(axis=0))
    for r in reversed(range(rows.shape[1])):
        row, side = rows[:, r, None], sides[:, r, None]
        found, chosen = best, np.zeros_like(best)
        for j in free:
            there = row[..., j] != 0
            ratio = form[..., j] / np.where(there, row[..., j], 1.0)
            ratio = np.where(there & (ratio > 0), ratio, 0.0)
            value = least_of_box(form - ratio[..., None] * row, constant - ratio * side, low, high)
            better = value > found
            found, chosen = np.where(better, value, found), np.where(better, ratio, chosen)
        form, constant = form - chosen[..., None] * row, constant - chosen * side
        best = found
    return best


def _clip(
    low: np.ndarray, high: np.ndarray, row: np.ndarray, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """The smallest box about what of a box has row'x + side >= 0, a little more."""
    most = np.maximum(row * low, row * high)
    size = abs(most).sum() + abs(side)
    rest = -side - (most.sum() - most) - _ROUNDING * size
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        end = rest / row
    end = end + np.where(row > 0, -1.0, 1.0) * _ROUNDING * abs(end)
    usable = np.isfinite(end)
    low = np.where(usable & (row > 0), np.maximum(low, end), low)
    return low, np.where(usable & (row < 0), np.minimum(high, end), high)
