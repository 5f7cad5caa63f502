"""The MIP reader of costs and constraints (the numpy and torch readers are in `task`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sparsectl.mip import end_value
from sparsectl.mip.model import Builder
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Norm
from sparsectl.task.keep_out import KeepOut


def add_cost(
    builder: Builder, problem: Problem, bounds: HorizonBounds, x: np.ndarray, u: np.ndarray
) -> None:
    """Stage, terminal and action cost."""
    horizon, nu = u.shape
    for term in problem.cost.terms:
        targets = term.targets(horizon)
        for t, weight in enumerate(term.weights(horizon)):
            low, high = bounds.x_low[t + 1], bounds.x_high[t + 1]
            if weight > 0:
                _distance(
                    builder, x[t], term.E, targets[t], term.norm, weight, term.dead_zone, low, high
                )
    if problem.cost.action_weight > 0:
        E, g = problem.cost.action_form(nu)
        for t in range(horizon):
            _distance(
                builder, u[t], E, g, problem.cost.action_norm, problem.cost.action_weight, 0.0,
                bounds.u_low[t], bounds.u_high[t],
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
    constraints: Constraints,
    bounds: HorizonBounds,
    x: np.ndarray,
    price: float | None,
) -> str | None:
    """Hard constraints, or violations at a price.

    Args:
        builder: where to.
        constraints: of steps 0..H.
        bounds: sound bounds; the states of step 0 are known.
        x: variables of x_1..x_H. Shape (H, nx).
        price: of a unit of violation, times the constraint's weight; None: hard.

    Returns:
        Label of a constraint that cannot hold, or None.
    """
    horizon, G, label = len(x), constraints.G, None
    for t, h in enumerate(constraints.sides(horizon)):
        low, high = bounds.x_low[t + 1], bounds.x_high[t + 1]
        most = np.maximum(G, 0) @ high + np.minimum(G, 0) @ low
        least = np.maximum(G, 0) @ low + np.minimum(G, 0) @ high
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
        regions = constraints.keep_out
        every = [_keys(region, t, horizon) if price is None else [] for region in regions]
        common = _common(every)
        for region, keys in zip(regions, every, strict=True):
            if not _keep_out(builder, region, t, x, bounds, price, keys, common):
                label = label or f"{region.label} at step {t + 1}"
        if label is not None:
            return label
    return None


@dataclass(frozen=True)
class _End:
    """One end of a step: its point must be beyond the faces `rows x >= need`."""

    columns: np.ndarray | None
    rows: np.ndarray
    need: np.ndarray
    least: np.ndarray
    most: np.ndarray


def _ends(
    region: KeepOut, t: int, x: np.ndarray, bounds: HorizonBounds
) -> tuple[list[_End], np.ndarray]:
    """The ends of step t that are variables, and depths of faces at an end that is not.

    Depths are of shape (faces,), -inf where nothing is known to be deep.
    """
    rows, sides = region.A @ region.P, region.sides(len(x))
    found, depth = [], np.full(len(rows), -np.inf)
    for k in (t, t + 1) if region.between else (t + 1,):
        low, high, need = bounds.x_low[k], bounds.x_high[k], sides[k]
        if not np.isfinite(need).all():
            continue
        if k == 0:
            depth = need - rows @ low
            depth = depth - max(float(depth.min()), 0.0)
            continue
        least = np.maximum(rows, 0) @ low + np.minimum(rows, 0) @ high
        most = np.maximum(rows, 0) @ high + np.minimum(rows, 0) @ low
        found.append(_End(x[k - 1], rows, need, least, most))
    return found, depth


_Key = tuple[bytes, bytes]


def _common(keys: Iterable[list[_Key]]) -> dict[_Key, np.ndarray]:
    """Faces that several regions have at a step, such as those of a wall on both sides of a door.

    One binary says for all of these regions that the point is beyond the face; its column is put
    here by the first of them. Empty columns: not there yet.
    """
    counts = Counter(key for some in keys for key in some)
    return {key: _NONE for key, count in counts.items() if count > 1}


def _keys(region: KeepOut, t: int, horizon: int) -> list[_Key]:
    """Normal of every face, and its sides at the ends of step t: what faces differ in."""
    rows, sides = region.A @ region.P + 0.0, region.sides(horizon)
    needs = sides[t if region.between else t + 1 : t + 2].T + 0.0
    return [(row.tobytes(), need.tobytes()) for row, need in zip(rows, needs, strict=True)]


_NONE = np.zeros(0, dtype=int)
_AT_START = 1e-9
"""Depth of the present point that rounding makes."""


def _keep_out(
    builder: Builder,
    region: KeepOut,
    t: int,
    x: np.ndarray,
    bounds: HorizonBounds,
    price: float | None,
    keys: list[_Key],
    common: dict[_Key, np.ndarray],
) -> bool:
    """At least one face has step t on its outer side; False when none can."""
    ends, start = _ends(region, t, x, bounds)
    if not ends:
        # Only a region that leaves now can be deep without an end that moves.
        return True
    beyond = start <= _AT_START
    sure = beyond.copy()
    for end in ends:
        sure &= end.least >= end.need
    if sure.any():
        return True
    possible = beyond.copy()
    for end in ends:
        possible &= end.most >= end.need
    faces = np.arange(len(possible)) if price is not None else np.flatnonzero(possible)
    if len(faces) == 0:
        return False
    k, at_start = len(faces), np.maximum(start[faces], 0.0)
    rooms = [end.need[faces] - end.least[faces] for end in ends]
    keys = [keys[f] for f in faces] if common else []
    beta, known = np.zeros(k, dtype=int), np.zeros(k, dtype=bool)
    for i, key in enumerate(keys):
        known[i] = len(common.get(key, _NONE)) > 0
        if known[i]:
            beta[i] = common[key][0]
    beta[~known] = builder.variables(0.0, 1.0, int((~known).sum()), binary=True)
    common.update((key, beta[i : i + 1]) for i, key in enumerate(keys) if key in common)
    depth = None
    if price is not None:
        deepest = max(0.0, float(at_start.max()), *(float(r.max()) for r in rooms))
        depth = builder.variables(0.0, deepest, 1)
        builder.cost(depth, price * region.weight)
        if at_start.any():
            builder.add([(depth, np.ones((1, 1))), (beta, -at_start[None])], 0.0, np.inf)
    for end, room in zip(ends, rooms, strict=True):
        tight = (room > 0) & ~known
        if not tight.any():
            continue
        blocks = [(end.columns, end.rows[faces][tight]), (beta[tight], -room[tight])]
        if depth is not None:
            blocks.append((np.repeat(depth, int(tight.sum())), np.ones(int(tight.sum()))))
        builder.add(blocks, (end.need[faces] - room)[tight], np.inf)
    alone = not any(key in common for key in keys)
    builder.add([(beta, np.ones((1, k)))], 1.0, 1.0 if alone else np.inf)

    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        deep = at_start.copy()
        for end in ends:
            deep = np.maximum(deep, (end.need - end.rows @ values[end.columns])[faces])
        best = int(np.argmin(deep))
        if not values[beta].any():  # else another region has said it
            values[beta[best]] = 1.0
        if depth is not None:
            values[depth] = max(float(deep[best]), 0.0)

    builder.fills.append(fill)
    return True


def _fill_excess(slack: np.ndarray, x: np.ndarray, G: np.ndarray, h: np.ndarray):
    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        values[slack] = np.maximum(G @ values[x] - h, 0.0)

    return fill
