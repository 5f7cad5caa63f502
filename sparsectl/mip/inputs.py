"""The MIP reader of rules for actions: levels, semicontinuous entries, rates, blocks.

Levels at equal distances are counted by one whole number, so that to branch on it parts them in
two. Else an entry whose values are the union of k intervals has one binary for each, of which one
is on: sum l_i d_i <= u <= sum h_i d_i, which is the convex hull of the union (Balas 1979).
"""

from __future__ import annotations

import numpy as np

from sparsectl.mip.model import Builder
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Inputs, Problem


def add_actions(builder: Builder, problem: Problem, bounds: HorizonBounds) -> np.ndarray:
    """Variables of the actions, with their rules; steps of a block share theirs.

    Returns:
        Shape (H, nu), int.
    """
    horizon, nu, inputs = problem.horizon, problem.nu, problem.inputs
    if inputs is None:
        low, high = bounds.u_low.ravel(), bounds.u_high.ravel()
        return builder.variables(low, high, horizon * nu).reshape(horizon, nu)
    of_step = inputs.firsts(horizon)
    firsts = np.unique(of_step)
    blocks = [np.flatnonzero(of_step == first) for first in firsts]
    # Given bounds may know nothing of the action applied last.
    least, most = reach(inputs, problem.u_low, problem.u_high, horizon)
    low = np.stack([np.maximum(bounds.u_low, least)[b].max(axis=0) for b in blocks])
    high = np.stack([np.minimum(bounds.u_high, most)[b].min(axis=0) for b in blocks])
    own = builder.variables(low.ravel(), high.ravel(), low.size).reshape(low.shape)
    for k in range(len(firsts)):
        for i, pieces in enumerate(inputs.pieces):
            _choose(builder, own[k, i : i + 1], pieces, int(firsts[k]), i)
    limited = np.flatnonzero(np.isfinite(inputs.rate))
    for k in range(1, len(firsts)):
        one, rate = np.ones(len(limited)), (inputs.rate + inputs.slack())[limited]
        builder.add([(own[k, limited], one), (own[k - 1, limited], -one)], -rate, rate)
    return own[np.searchsorted(firsts, of_step)]


def _choose(builder: Builder, u: np.ndarray, pieces: np.ndarray, t: int, entry: int) -> None:
    """One entry at one step takes a value of its pieces."""
    low, high = pieces.T
    k = len(pieces)
    if k == 1:
        return  # the variable's bounds say it
    one = np.ones((1, 1))
    gaps = np.diff(low)
    if (low == high).all() and np.ptp(gaps) <= 1e-9 * gaps.max():
        number = builder.variables(0.0, k - 1.0, 1, binary=True)
        builder.add([(u, one), (number, -gaps[:1, None])], low[0], low[0])

        def count(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
            values[number] = np.clip(round(float((actions[t, entry] - low[0]) / gaps[0])), 0, k - 1)

        builder.fills.append(count)
        return
    chosen = builder.variables(0.0, 1.0, k, binary=True)
    builder.add([(chosen, np.ones((1, k)))], 1.0, 1.0)
    if (low == high).all():
        builder.add([(u, one), (chosen, -low[None])], 0.0, 0.0)
    else:
        builder.add([(u, one), (chosen, -low[None])], 0.0, np.inf)
        builder.add([(u, one), (chosen, -high[None])], -np.inf, 0.0)

    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        u = actions[t, entry]
        away = np.maximum(np.maximum(low - u, u - high), 0.0)
        values[chosen] = np.arange(k) == int(np.argmin(away))

    builder.fills.append(fill)


def reach(inputs: Inputs, low: np.ndarray, high: np.ndarray, horizon: int) -> tuple:
    """Action boxes at every step, as rates leave them. Two arrays of shape (H, nu).

    Args:
        low, high: action box. Shape (nu,).
    """
    if inputs.last is None:
        return np.tile(low, (horizon, 1)), np.tile(high, (horizon, 1))
    changes = np.cumsum(inputs.firsts(horizon) == np.arange(horizon))
    free = changes[:, None] * (inputs.rate + inputs.slack())
    # The action applied last may itself be outside.
    return np.clip(inputs.last - free, low, high), np.clip(inputs.last + free, low, high)
