"""Bounds of the effective inputs of every plan better than a limit.

Optimisation-based bound tightening with an objective cutoff over the hull relaxation; every
bound is proved by its duals.
"""

from __future__ import annotations

import time

import numpy as np

from sparsectl.mip.search.hull.master import Master

_ROUNDS = 4
_ACCURACY = 0.02
"""Bounds are computed to this, relative to the width before."""
_REACHED = 0.05
"""A bound is not tried again when a relaxed plan comes this close to it, relative to the width."""


def tighten(
    master: Master, limit: float, low: np.ndarray, high: np.ndarray, deadline: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the effective inputs of every plan that costs at most `limit`.

    Args:
        master: relaxation that holds for these plans.
        limit: cost.
        low, high: known bounds of the steps after the first. Shape (H - 1, dimension).
        deadline: `time.perf_counter()` value to stop at.
    """
    low, high = low.copy(), high.copy()
    master.limit_cost(limit)
    _bound_all(master, low, high, deadline)
    master.set_objective(None)
    master.limit_cost(np.inf)
    return low, high


def _bound_all(master: Master, low: np.ndarray, high: np.ndarray, deadline: float | None) -> None:
    """Tightens in place, from the last step back, until a box is empty."""
    forms = np.zeros((*low.shape, master.model.n))
    for t, form in enumerate(forms):
        form[:, master.inputs(t + 1)] = master.stages[t + 1].S
    near = _REACHED * (high - low)
    reached_low, reached_high = np.full(low.shape, np.inf), np.full(low.shape, -np.inf)
    for t in reversed(range(len(low))):
        for i in range(low.shape[1]):
            for sign in (1.0, -1.0):
                if deadline is not None and time.perf_counter() > deadline:
                    return
                if sign > 0 and reached_low[t, i] - low[t, i] <= near[t, i]:
                    continue
                if sign < 0 and high[t, i] - reached_high[t, i] <= near[t, i]:
                    continue
                master.set_objective(sign * forms[t, i])
                bound, values = master.lower_bound(_ROUNDS, _ACCURACY * (high[t, i] - low[t, i]))
                if sign > 0:
                    low[t, i] = max(low[t, i], bound)
                else:
                    high[t, i] = min(high[t, i], -bound)
                if low[t, i] > high[t, i]:
                    return
                at = forms @ values
                reached_low, reached_high = (
                    np.minimum(reached_low, at),
                    np.maximum(reached_high, at),
                )
