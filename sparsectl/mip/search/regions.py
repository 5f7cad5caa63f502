"""Candidates among many regions to keep out of, which samplers seldom get around."""

from __future__ import annotations

import time

import numpy as np

from sparsectl.mip.search import coarse, lattice
from sparsectl.mip.search.pool import Pool
from sparsectl.task import Problem

_LARGE, _FACES = 200, 60
"""Binaries, and binaries of faces, up to which a solver is through as quickly without them."""
_DYNAMIC, _LEAST = 1e-3, 0.05
"""Time that dynamic programming takes, for every binary of the model, and what it needs [s]."""
_FIRST, _SECOND, _SHORT = 0.25, 0.5, 0.6
"""Share of the time that dynamic programming takes at most, and a way after it; and the time [s]
from which on there is one, as HiGHS may be .1 to .2 s late."""
_WAY, _MOST = 2e-3, 0.45
"""Seconds that a way takes for every face, about, and no more than so many at first."""
_PASSES = 6
"""Pattern programs for the plan along it, at most."""


def some(problem: Problem) -> bool:
    """Whether there are regions to keep out of, at a price or not."""
    limits = (problem.constraints, problem.cost.priced)
    return any(each is not None and bool(each.keep_out) for each in limits)


def many(pool: Pool) -> bool:
    """Whether there are so many that a solver takes long."""
    large = pool.model.binaries > _LARGE or _faces(pool) > _FACES
    return large and some(pool.ocp.problem)


def plans(pool: Pool, deadline: float | None) -> tuple[list[np.ndarray], bool]:
    """Plans of dynamic programming, each of shape (H, nu); the best along a way is offered.

    Args:
        deadline: `time.perf_counter()` value, or None; each is looked for in the time for it only.

    Returns:
        Those of dynamic programming, and whether there is a better one along a way.
    """
    if deadline is None:
        found = _around(pool, None)
        return found, _along(pool, found, None)
    left = deadline - time.perf_counter()
    found = _around(pool, _ends(deadline, _FIRST))
    if left < _SHORT or min(_WAY * _faces(pool), _MOST) > _SECOND * left:
        return found, False
    return found, _along(pool, found, _ends(deadline, _SECOND / (1 - _FIRST)))


def _faces(pool: Pool) -> int:
    """Binaries that are not of neurons."""
    return pool.model.binaries - len(pool.model.neurons)


def _ends(deadline: float, share: float) -> float:
    """When that share of the time left is over."""
    now = time.perf_counter()
    return now + share * (deadline - now)


def _around(pool: Pool, end: float | None) -> list[np.ndarray]:
    if pool.model.binaries <= _LARGE:
        return []
    if end is None:
        return lattice.plans(pool.ocp, widths=2)
    now = time.perf_counter()
    until = min(end, now + _DYNAMIC * pool.model.binaries)
    return lattice.plans(pool.ocp, deadline=until) if until - now > _LEAST else []


def _along(pool: Pool, known: list[np.ndarray], end: float | None) -> bool:
    """Offer a plan along the way of an affine stand-in; whether it is better than those known."""
    if pool.all_discrete or _faces(pool) <= _FACES:
        return False
    found = coarse.plan(pool.ocp, pool.model, pool.polisher, end)
    if found is None:
        return False
    least = min((float(pool.ocp.costs(plan)) for plan in known), default=np.inf)
    return pool.polish(found, passes=_PASSES) < least
