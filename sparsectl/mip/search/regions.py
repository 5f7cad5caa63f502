"""Candidates among many regions to keep out of, which samplers seldom get around."""

from __future__ import annotations

import time

import numpy as np

from sparsectl.mip.search import coarse, lattice
from sparsectl.mip.search.pool import Pool
from sparsectl.task import Problem

_LARGE = 200
"""Binaries up to which a solver is through as quickly without them."""
_DYNAMIC, _LEAST = 1e-3, 0.05
"""Time that dynamic programming takes, for every binary of the model, and what it needs [s]."""
_COARSE, _WAY = 0.7, 6e-4
"""Share of the time left for a way under an affine stand-in, and the seconds that it needs for
every binary of the model, about."""
_PASSES = 6
"""Pattern programs for the plan along it, at most."""


def some(problem: Problem) -> bool:
    """Whether there are regions to keep out of, at a price or not."""
    limits = (problem.constraints, problem.cost.priced)
    return any(each is not None and bool(each.keep_out) for each in limits)


def many(pool: Pool) -> bool:
    """Whether there are so many that a solver takes long."""
    return pool.model.binaries > _LARGE and some(pool.ocp.problem)


def around(pool: Pool, end: float | None) -> list[np.ndarray]:
    """Plans of dynamic programming, each of shape (H, nu).

    Args:
        end: `time.perf_counter()` value to stop at, or None.
    """
    if end is None:
        return lattice.plans(pool.ocp, widths=2)
    now = time.perf_counter()
    until = min(end, now + _DYNAMIC * pool.model.binaries)
    return lattice.plans(pool.ocp, deadline=until) if until - now > _LEAST else []


def along(pool: Pool, known: list[np.ndarray], deadline: float | None) -> bool:
    """Offer a plan that goes the way of an affine stand-in; whether it is better than those known.

    Args:
        deadline: `time.perf_counter()` value, or None; without the time for a way there is none.
    """
    now, until = time.perf_counter(), None
    if deadline is not None:
        until = now + _COARSE * (deadline - now)
    if pool.all_discrete or (until is not None and until - now < _WAY * pool.model.binaries):
        return False
    found = coarse.plan(pool.ocp, pool.model, pool.polisher, until)
    if found is None:
        return False
    least = min((float(pool.ocp.costs(plan)) for plan in known), default=np.inf)
    return pool.polish(found, passes=_PASSES, deadline=deadline) < least
