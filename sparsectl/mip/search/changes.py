"""Plans changed value by value, as long as that is cheaper."""

from __future__ import annotations

import time

import numpy as np

from sparsectl.mip.ocp import OCP
from sparsectl.task import Inputs

_PAIRS = 20_000
"""Pairs of changes that are tried at once."""
_USED = 0.7
"""Share of the time that is left which pairs may take."""


def improve(
    ocp: OCP, actions: np.ndarray, *, deadline: float | None = None
) -> tuple[np.ndarray, float]:
    """Change values of a plan, one or two at a time, as long as that is cheaper.

    Args:
        actions: an admissible plan. Shape (H, nu).
        deadline: `time.perf_counter()` value to stop at, or None.
    """
    problem, inputs = ocp.problem, ocp.problem.inputs
    cost = float(ocp.costs(actions))
    if inputs is None or not inputs.discrete.any():
        return actions, cost
    firsts = inputs.firsts(problem.horizon)
    while deadline is None or time.perf_counter() < deadline:
        changed = _changes(inputs, actions, firsts)
        if not len(changed):  # every entry of levels has one only
            break
        began = time.perf_counter()
        single = ocp.costs(changed)
        best = int(np.argmin(single))
        if single[best] < cost - 1e-9 * (1 + abs(cost)):
            actions, cost = changed[best], float(single[best])
            continue
        most = _PAIRS
        if deadline is not None:  # as many as there is time for, as the single ones have shown
            now = time.perf_counter()
            pace = len(changed) / max(now - began, 1e-9)
            most = min(most, int(_USED * pace * (deadline - now)))
            if most < 1:
                break
        pairs = _pairs(actions, changed, most)
        costs = ocp.costs(pairs)
        best = int(np.argmin(costs)) if len(costs) else 0
        if not len(costs) or not costs[best] < cost - 1e-9 * (1 + abs(cost)):
            break
        actions, cost = pairs[best], float(costs[best])
    return actions, cost


def _changes(inputs: Inputs, actions: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """The plan with one value changed, all of them. Shape (n, H, nu)."""
    found = []
    for i in np.flatnonzero(inputs.discrete):
        levels = inputs.pieces[i][:, 0]
        for first in np.unique(firsts):
            for level in levels[levels != actions[first, i]]:
                changed = actions.copy()
                changed[firsts == first, i] = level
                found.append(changed)
    return np.array(found)


def _pairs(actions: np.ndarray, changed: np.ndarray, most: int) -> np.ndarray:
    """Two changes at once; the nearest in time where there are too many. Shape (n, H, nu)."""
    one, other = np.triu_indices(len(changed), 1)
    if len(one) > most:
        when = (changed != actions).any(axis=2).argmax(axis=1)
        near = np.argsort(abs(when[one] - when[other]), kind="stable")[:most]
        one, other = one[near], other[near]
    differ = changed[other] != actions
    both = np.where(differ, changed[other], changed[one])
    # Two changes of one value are one.
    kept = ~(differ & (changed[one] != actions)).any(axis=(1, 2))
    return both[kept]
