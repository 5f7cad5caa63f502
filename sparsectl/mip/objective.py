"""The MIP reader of costs and constraints (the numpy and torch readers are in `task`)."""

from __future__ import annotations

import numpy as np

from sparsectl.mip.model import Builder
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem
from sparsectl.task.constraints import KeepOut
from sparsectl.task.cost import Norm


def add_cost(
    builder: Builder, problem: Problem, bounds: HorizonBounds, x: np.ndarray, u: np.ndarray
) -> None:
    """Stage, terminal and action cost."""
    horizon, nu = u.shape
    for term in problem.cost.terms:
        for t, weight in enumerate(term.weights(horizon)):
            low, high = bounds.x_low[t + 1], bounds.x_high[t + 1]
            if weight > 0:
                _distance(
                    builder, x[t], term.E, term.target, term.norm, weight, term.dead_zone, low, high
                )
    if problem.cost.action_weight > 0:
        E, g = problem.cost.action_form(nu)
        for t in range(horizon):
            _distance(
                builder, u[t], E, g, problem.cost.action_norm, problem.cost.action_weight, 0.0,
                bounds.u_low[t], bounds.u_high[t],
            )  # fmt: skip


def _distance(
    builder: Builder,
    columns: np.ndarray,
    E: np.ndarray,
    target: np.ndarray,
    norm: Norm,
    weight: float,
    dead_zone: float,
    low: np.ndarray,
    high: np.ndarray,
) -> None:
    """Add `weight * max(0, |E v - target| - dead_zone)`; low and high bound v."""
    e_low = np.maximum(E, 0) @ low + np.minimum(E, 0) @ high - target
    e_high = np.maximum(E, 0) @ high + np.minimum(E, 0) @ low - target
    reach = np.maximum(abs(e_low), abs(e_high))
    k = len(E)
    if norm == "l2sq":
        e = builder.variables(e_low, e_high, k)
        builder.add([(e, np.ones(k)), (columns, -E)], -target, -target)
        builder.quadratic(e, weight)
        builder.fills.append(_fill(e, columns, E, target, lambda error: error))
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
    problem: Problem,
    bounds: HorizonBounds,
    x: np.ndarray,
    soft_penalty: float | None,
) -> str | None:
    """Hard (or penalised) constraints; returns the label of one that cannot hold, or None."""
    constraints, horizon = problem.constraints, len(x)
    for t in range(horizon):
        low, high = bounds.x_low[t + 1], bounds.x_high[t + 1]
        G, h = constraints.G, constraints.h
        most = np.maximum(G, 0) @ high + np.minimum(G, 0) @ low
        least = np.maximum(G, 0) @ low + np.minimum(G, 0) @ high
        if soft_penalty is None and (least > h).any():
            return f"{constraints.labels[int(np.argmax(least - h))]} at step {t + 1}"
        rows = np.flatnonzero(most > h)
        if len(rows):
            blocks = [(x[t], G[rows])]
            if soft_penalty is not None:
                slack = builder.variables(0.0, np.maximum(most - h, 0)[rows], len(rows))
                blocks.append((slack, -np.ones(len(rows))))
                prices = np.ones(len(h)) if constraints.weights is None else constraints.weights
                builder.cost(slack, soft_penalty * prices[rows])
                builder.fills.append(_fill_excess(slack, x[t], G[rows], h[rows]))
            builder.add(blocks, -np.inf, h[rows])
        for region in constraints.keep_out:
            if not _keep_out(builder, region, x[t], low, high, soft_penalty):
                return f"{region.label} at step {t + 1}"
    return None


def _keep_out(
    builder: Builder,
    region: KeepOut,
    x: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    soft_penalty: float | None,
) -> bool:
    """At least one face has the point on its outer side; False when none can."""
    rows = region.A @ region.P
    least = np.maximum(rows, 0) @ low + np.minimum(rows, 0) @ high
    most = np.maximum(rows, 0) @ high + np.minimum(rows, 0) @ low
    if (least >= region.b).any():
        return True
    faces = np.arange(len(rows)) if soft_penalty is not None else np.flatnonzero(most >= region.b)
    if len(faces) == 0:
        return False
    k, need, room = len(faces), region.b[faces], region.b[faces] - least[faces]
    beta = builder.variables(0.0, 1.0, k, binary=True)
    blocks = [(x, rows[faces]), (beta, -room)]
    if soft_penalty is not None:
        depth = builder.variables(0.0, max(float(room.max()), 0.0), 1)
        builder.cost(depth, soft_penalty * region.weight)
        blocks.append((np.repeat(depth, k), np.ones(k)))
    builder.add(blocks, need - room, np.inf)
    builder.add([(beta, np.ones((1, k)))], 1.0, 1.0)

    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        outside = rows[faces] @ values[x] - need
        best = int(np.argmax(outside))
        values[beta] = np.arange(k) == best
        if soft_penalty is not None:
            values[depth] = max(-outside[best], 0.0)

    builder.fills.append(fill)
    return True


def _fill_excess(slack: np.ndarray, x: np.ndarray, G: np.ndarray, h: np.ndarray):
    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        values[slack] = np.maximum(G @ values[x] - h, 0.0)

    return fill
