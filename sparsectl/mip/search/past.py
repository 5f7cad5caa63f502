"""What earlier decisions found out about later states, for as long as the scene stands still.

Only the order in which states are looked at depends on it: a plan made with it is rolled out and
checked like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from sparsectl.mip.scale import Scaling
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints

MOST_STATES = 3000
"""Of a step."""


@dataclass(frozen=True)
class Points:
    """States of one step and what they cost to go.

    Attributes:
        x: Shape (n, nx).
        to_go: inf: a dead end. Shape (n,).
    """

    x: np.ndarray
    to_go: np.ndarray


@dataclass(frozen=True)
class Past:
    """What one decision hands on to the next, in the user's units.

    Attributes:
        problem: that was decided.
        points: of steps 1..H - 1.
    """

    problem: Problem
    points: tuple[Points, ...]

    @classmethod
    def of(cls, problem: Problem, points: list[Points], scaling: Scaling) -> Past:
        """Of points in scaled units, of steps 1..H."""
        unit, shift, price = scaling.x_unit, scaling.x_shift, scaling.cost_unit
        return cls(problem, tuple(Points(p.x * unit + shift, p.to_go * price) for p in points[:-1]))

    def at(self, problem: Problem, scaling: Scaling) -> list[Points] | None:
        """Points of steps 1..H of the next decision, scaled; None where another scene is planned.

        The last two steps, which the decision before did not look beyond, have none.
        """
        if not _same(self.problem, problem):
            return None
        unit, shift, price = scaling.x_unit, scaling.x_shift, scaling.cost_unit
        found = [Points((p.x - shift) / unit, p.to_go / price) for p in self.points[1:]]
        nothing = Points(np.zeros((0, problem.nx)), np.zeros(0))
        return found + [nothing] * (problem.horizon - len(found))


def _same(before: Problem, now: Problem) -> bool:
    """Whether two problems agree in targets and constraints of the steps that both plan."""
    horizon = now.horizon
    if before.horizon != horizon or len(before.cost.terms) != len(now.cost.terms):
        return False
    pairs = [
        (a.targets(horizon)[1:], b.targets(horizon)[:-1])
        for a, b in zip(before.cost.terms, now.cost.terms, strict=True)
    ]
    pairs += _sides(before.constraints, now.constraints, horizon)
    pairs += _sides(before.cost.priced, now.cost.priced, horizon)
    return all(np.array_equal(a, b) for a, b in pairs)


def _sides(
    before: Constraints | None, now: Constraints | None, horizon: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Right-hand sides of either at the steps that both plan; of a region where it is there."""
    if before is None or now is None:
        if before is not now:
            yield np.zeros(0), np.zeros(1)
        return
    yield before.sides(horizon)[1:], now.sides(horizon)[:-1]
    old = [b for b in (k.sides(horizon)[1:] for k in before.keep_out) if np.isfinite(b).any()]
    new = [b for b in (k.sides(horizon)[:-1] for k in now.keep_out) if np.isfinite(b).any()]
    yield from zip_longest(old, new, fillvalue=np.zeros(0))
