"""The MIP reader of costs and constraints (the numpy and torch readers are in `task`)."""

from __future__ import annotations

import numpy as np

from sparsectl.mip import end_value
from sparsectl.mip.keep_out import Faces, add_keep_out, extremes, shared_faces
from sparsectl.mip.model import Builder
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Norm

_FAR = 16.0
"""Squares whose root is this many times further from zero than it varies are taken apart."""


def add_cost(
    builder: Builder, problem: Problem, bounds: HorizonBounds, x: np.ndarray, u: np.ndarray
) -> None:
    """Stage, terminal and action cost."""
    horizon, nu = u.shape
    for term in problem.cost.terms:
        targets = term.targets(horizon)
        low, high = extremes(term.E, bounds.x_low[1:], bounds.x_high[1:])
        for t, weight in enumerate(term.weights(horizon)):
            if weight > 0:
                _distance(
                    builder, x[t], term.E, targets[t], term.norm, weight, term.dead_zone,
                    low[t] - targets[t], high[t] - targets[t],
                )  # fmt: skip
    if problem.cost.action_weight > 0:
        E, g = problem.cost.action_form(nu)
        low, high = extremes(E, bounds.u_low, bounds.u_high)
        for t in range(horizon):
            _distance(
                builder, u[t], E, g, problem.cost.action_norm, problem.cost.action_weight, 0.0,
                low[t] - g, high[t] - g,
            )  # fmt: skip
    if problem.cost.priced is not None:
        add_constraints(builder, problem.cost.priced, bounds, x, 1.0)
    if problem.cost.value is not None:
        end_value.add(builder, problem.cost.value, x[-1], bounds.x_low[-1], bounds.x_high[-1])


def _distance(
    builder: Builder,
    columns: np.ndarray,
    E: np.ndarray,
    target: np.ndarray,
    norm: Norm,
    weight: float,
    dead_zone: float,
    e_low: np.ndarray,
    e_high: np.ndarray,
) -> None:
    """Add `weight * max(0, |E v - target| - dead_zone)`; e_low and e_high bound E v - target."""
    reach = np.maximum(abs(e_low), abs(e_high))
    k = len(E)
    if norm == "l2sq":
        # Far from zero (m + d)^2 is m^2 + 2 m d + d^2: squares of large numbers hide small ones.
        middle, radius = (e_low + e_high) / 2, (e_high - e_low) / 2
        middle = np.where(abs(middle) > _FAR * radius, middle, 0.0)
        e = builder.variables(e_low - middle, e_high - middle, k)
        builder.add([(e, np.ones(k)), (columns, -E)], -target - middle, -target - middle)
        builder.quadratic(e, weight)
        builder.cost(e, 2 * weight * middle)
        builder.offset += weight * float(middle @ middle)
        builder.fills.append(_fill(e, columns, E, target + middle, lambda error: error))
        return
    if norm == "linf":
        farthest = max(float(reach.max(initial=0.0)) - dead_zone, 0.0)
        tau = builder.variables(0.0, farthest, 1)
        every = np.repeat(tau, k)
        for sign in (1.0, -1.0):
            builder.add(
                [(every, np.ones(k)), (columns, -sign * E)], -sign * target - dead_zone, np.inf
            )
        builder.cost(tau, weight)
        builder.fills.append(
            _fill(tau, columns, E, target, lambda e: max(abs(e).max() - dead_zone, 0.0))
        )
        return
    if dead_zone == 0.0:
        # Where the sign of the error is known the absolute value is linear.
        signs = np.where(e_low >= 0, 1.0, np.where(e_high <= 0, -1.0, 0.0))
        known = signs != 0
        builder.cost(columns, weight * (signs[known] @ E[known]))
        builder.offset -= weight * float(signs[known] @ target[known])
        E, target, reach, k = E[~known], target[~known], reach[~known], int((~known).sum())
        if k == 0:
            return
    tau = builder.variables(0.0, reach, k)
    for sign in (1.0, -1.0):
        builder.add([(tau, np.ones(k)), (columns, -sign * E)], -sign * target, np.inf)
    builder.fills.append(_fill(tau, columns, E, target, abs))
    if dead_zone == 0.0:
        builder.cost(tau, weight)
        return
    total = builder.variables(0.0, max(reach.sum() - dead_zone, 0.0), 1)
    builder.add([(total, np.ones(1)), (tau, -np.ones((1, k)))], -dead_zone, np.inf)
    builder.cost(total, weight)
    builder.fills.append(
        _fill(total, columns, E, target, lambda e: max(abs(e).sum() - dead_zone, 0.0))
    )


def _fill(target_columns, columns, E, target, function):
    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        values[target_columns] = function(E @ values[columns] - target)

    return fill


def add_constraints(
    builder: Builder,
    constraints: Constraints,
    bounds: HorizonBounds,
    x: np.ndarray,
    price: float | None,
) -> str | None:
    """Hard constraints, or violations at a price.

    Args:
        constraints: of steps 0..H.
        bounds: sound bounds; the states of step 0 are known.
        x: variables of x_1..x_H. Shape (H, nx).
        price: of a unit of violation, times the constraint's weight; None: hard.

    Returns:
        Label of a constraint that cannot hold, or None.
    """
    horizon, G, label = len(x), constraints.G, None
    every_least, every_most = extremes(G, bounds.x_low[1:], bounds.x_high[1:])
    regions = [Faces.of(region, bounds, horizon) for region in constraints.keep_out]
    alike, in_common = all(region.keys is not None for region in regions), None
    for t, h in enumerate(constraints.sides(horizon)):
        least, most = every_least[t], every_most[t]
        if price is None and (least > h).any():
            return f"{constraints.labels[int(np.argmax(least - h))]} at step {t + 1}"
        rows = np.flatnonzero(most > h)
        if len(rows):
            blocks = [(x[t], G[rows])]
            if price is not None:
                slack = builder.variables(0.0, np.maximum(most - h, 0)[rows], len(rows))
                blocks.append((slack, -np.ones(len(rows))))
                builder.cost(slack, price * constraints.prices[rows])
                builder.fills.append(_fill_excess(slack, x[t], G[rows], h[rows]))
            builder.add(blocks, -np.inf, h[rows])
        if in_common is None or not alike:
            every = [region.keys_at(t) for region in regions]
            in_common = shared_faces(every, price)
        label = add_keep_out(builder, regions, every, t, x, price, in_common)
        if label is not None:
            return label
    return None


def _fill_excess(slack: np.ndarray, x: np.ndarray, G: np.ndarray, h: np.ndarray):
    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        values[slack] = np.maximum(G @ values[x] - h, 0.0)

    return fill
