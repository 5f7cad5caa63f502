"""Which of some plans keep the hard constraints under the model, and which one is to act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from sparsectl.control.nearest import distance
from sparsectl.task import Constraints, Problem

if TYPE_CHECKING:
    from sparsectl.program import Programs

SAME = 1e-6
"""Actions that are no farther apart, in half widths of the action box, are the same."""
_DRAWN_IN, _AS_THEY_ARE, _NOT = range(3)


@dataclass(frozen=True)
class Known:
    """Plans of a decision, the first one what a controller would do.

    Attributes:
        names: where they come from. Shape (n,).
        plans: Shape (n, H, nu).
        states: under the model. Shape (n, H + 1, nx).
        away: of their first actions from the first plan's, see `nearest.distance`. Shape (n,).
        violation: of the constraints as they are drawn in, summed; inf where not finite. Shape
            (n,).
        keeps: the constraints as they are drawn in (0), as they are (1) or not (2). Shape (n,).
    """

    names: np.ndarray
    plans: np.ndarray
    states: np.ndarray
    away: np.ndarray
    violation: np.ndarray
    keeps: np.ndarray

    @property
    def certified(self) -> np.ndarray:
        """Plans that keep the constraints. Shape (n,), bool."""
        return self.keeps <= _AS_THEY_ARE

    @property
    def settled(self) -> bool:
        """Whether a plan that keeps everything begins with the controller's action."""
        return bool(((self.keeps == _DRAWN_IN) & (self.away <= SAME)).any())

    @property
    def best(self) -> int:
        """The nearest of those that keep everything; without one what violates least."""
        least = self.keeps.min()
        rank = self.away if least == _DRAWN_IN else self.violation
        return int(np.argmin(np.where(self.keeps == least, rank, np.inf)))

    def and_also(self, other: Known) -> Known:
        """These and others."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Known(*(np.concatenate(pair) for pair in pairs))


def judge(
    programs: Programs,
    problem: Problem,
    tight: Constraints,
    names: Sequence[str],
    plans: np.ndarray,
    wish: np.ndarray,
) -> Known:
    """Plans, made admissible, rolled out and held against the constraints.

    Args:
        tight: its constraints, drawn in.
        names: where each comes from.
        plans: Shape (n, H, nu).
        wish: first action of the controller. Shape (nu,).
    """
    plans = problem.admit(plans)
    with np.errstate(over="ignore", invalid="ignore"):
        states = rollout(programs, problem, plans)
        usable = np.isfinite(states).all(axis=(-1, -2))
        violation = np.where(usable, tight.violation(states, weighted=False), np.inf)
        loose, drawn = (c.violated(states).any(axis=(-1, -2)) for c in (problem.constraints, tight))
    if problem.inputs is not None:  # there may be no admissible action in reach of the last one
        usable &= problem.inputs.excess(plans) <= SAME
    keeps = np.where(loose | ~usable, _NOT, np.where(drawn, _AS_THEY_ARE, _DRAWN_IN))
    away = distance(problem, plans[:, 0], wish)
    return Known(np.array(names), plans, states, away, violation, keeps)


def rollout(programs: Programs, problem: Problem, plans: np.ndarray) -> np.ndarray:
    """Exact states, also of a model that is another program at every state.

    Shapes (n, H, nu) -> (n, H + 1, nx).
    """
    if programs.exact_at(problem):
        return programs.at(problem).rollout(problem.x0, plans)
    states = np.empty((len(plans), problem.horizon + 1, problem.nx))
    states[:, 0] = problem.x0
    for trail, actions in zip(states, plans, strict=True):
        for t, u in enumerate(actions):
            program = programs.at(replace(problem, x0=trail[t], horizon=1))
            trail[t + 1] = program(np.concatenate([trail[t], u]))
    return states


def drawn_in(limits: Constraints, share: float, horizon: int) -> Constraints:
    """Constraints whose boxes are drawn in, on both sides, by a share of half their width."""
    sides = limits.sides(horizon)
    h = sides.copy()
    for i, row in enumerate(limits.G):
        for j in np.flatnonzero((-row == limits.G).all(axis=1)):
            width = sides[:, i] + sides[:, j]
            tighter = sides[:, i] - share * np.where(np.isfinite(width), width, 0.0) / 2
            h[:, i] = np.minimum(h[:, i], tighter)
    return replace(limits, h=h)
