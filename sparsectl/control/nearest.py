"""The safe plan whose first action is nearest to a given one, as a problem like any other.

    minimise |(u_0 - wish) / half|_1 + what it costs to be near a limit   over the plans

with `half` half the width of the action box. Costs are about states, so the state is given the
action before, w' = u, and w_1 = u_0 has a target at a price.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sparsectl.program import algebra
from sparsectl.task import Constraints, Problem
from sparsectl.task.cost import Cost

if TYPE_CHECKING:
    from sparsectl.program import Decision, Programs, ReluProgram

PRICE = 100.0
"""Of a unit beyond constraints that are drawn in, where half of the action box costs 1."""


@dataclass(frozen=True)
class WithAction:
    """Programs whose state has the action before at its end.

    Attributes:
        programs: of the state alone.
    """

    programs: Programs
    nu: int

    def at(self, problem: Decision) -> ReluProgram:
        """See `Programs.at`."""
        plain, nu = self._plain(problem), self.nu
        program, nx = self.programs.at(plain), len(plain.x0)
        parts = np.delete(np.eye(nx + 2 * nu), np.s_[nx : nx + nu], axis=0)  # x and u of x, w, u
        seen = algebra.postcompose(algebra.precompose(program, parts), np.eye(nx + nu, nx))
        parts[:nx] = 0.0
        return algebra.add_linear(seen, parts)

    def exact_at(self, problem: Decision) -> bool:
        """See `Programs.exact_at`."""
        return self.programs.exact_at(self._plain(problem))

    def _plain(self, problem: Decision) -> Decision:
        return replace(problem, x0=problem.x0[: -self.nu])  # type: ignore[type-var]


def nearest(problem: Problem, wish: np.ndarray, tight: Constraints) -> Problem:
    """The problem, for the programs of `WithAction`, of plans that begin near a wish.

    Args:
        problem: its cost does not matter.
        wish: first action, admissible. Shape (nu,).
        tight: its constraints, some rows drawn in: what is beyond those has a price.
    """
    nx, nu, horizon = problem.nx, problem.nu, problem.horizon
    rows = _per_half(problem)
    wider = np.eye(nx, nx + nu)
    both, limits = np.concatenate([rows, -rows]), problem.constraints
    beside = np.full((horizon, len(both)), np.inf)
    beside[0] = both @ wish
    inner = (tight.sides(horizon) < limits.sides(horizon)).any(axis=0)
    G = np.concatenate([np.pad(both, ((0, 0), (nx, 0))), tight.G[inner] @ wider])
    h = np.hstack([beside, tight.sides(horizon)[:, inner]])
    prices = np.repeat([1.0, PRICE], [len(both), inner.sum()])
    regions = tuple(replace(region, P=region.P @ wider) for region in limits.keep_out)
    return replace(
        problem,
        x0=np.concatenate([problem.x0, wish]),
        cost=Cost((), priced=Constraints(G, h, labels=("",) * len(G), weights=prices)),
        constraints=replace(limits, G=limits.G @ wider, keep_out=regions),
        own=None,
    )


def distance(problem: Problem, actions: np.ndarray, wish: np.ndarray) -> np.ndarray:
    """How far actions are from a wish: half widths of the action box, summed over its entries.

    Shapes (..., nu), (nu,) -> (...).
    """
    return abs((actions - wish) @ _per_half(problem).T).sum(-1)


def _per_half(problem: Problem) -> np.ndarray:
    """Rows that measure entries in half widths of the box; those that are fixed have none."""
    half = (problem.u_high - problem.u_low) / 2
    return np.diag(1 / np.where(half > 0, half, 1.0))[half > 0]
