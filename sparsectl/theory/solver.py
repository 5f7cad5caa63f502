"""Fixed points of a map of overlaps: damped iteration to the basin, Newton's method to the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sparsectl.theory.order import Order

Map = Callable[[Order], Order]
_DIFFERENCE = 1e-6


@dataclass(frozen=True)
class SolverConfig:
    """How saddle points are found."""

    step: float = 0.5
    """Weight of the new value in the damped iteration."""
    iterations: int = 400
    """Of the damped iteration, at most."""
    near: float = 3e-4
    """Change of an overlap in one map at which Newton's method takes over."""
    tolerance: float = 1e-9
    """Largest change of an overlap that counts as converged."""


@dataclass(frozen=True)
class Found:
    """A point and how well it is fixed.

    Attributes:
        order: the overlaps.
        residual: largest change of an overlap by the map.
        converged: whether the residual is below the tolerance.
    """

    order: Order
    residual: float
    converged: bool


def solve(update: Map, start: Order, config: SolverConfig | None = None) -> Found:
    """A stable fixed point of `update` in whose basin `start` lies.

    Newton's method is given up, and the damped iteration goes on, where it does not lower the
    residual or leaves the neighbourhood.

    Args:
        update: map of overlaps to themselves.
        start: first overlaps.
        config: see `SolverConfig`.
    """
    config = config or SolverConfig()
    order, used, residual = start, 0, np.inf
    due = config.near
    while used < config.iterations:
        new, used = update(order), used + 1
        residual = _distance(new, order)
        if residual <= config.tolerance:
            break
        if residual <= due:
            order, residual, spent = _newton(update, order, new, config.tolerance)
            used += spent
            if residual <= config.tolerance:
                break
            due = residual / 10
            continue
        mixed = order.array() + config.step * (new.array() - order.array())
        order = Order(*map(float, mixed))
    return Found(order, float(residual), bool(residual <= config.tolerance))


def _newton(update: Map, order: Order, new: Order, tolerance: float) -> tuple[Order, float, int]:
    """Newton steps in free coordinates while they pay."""
    best, used = _distance(new, order), 0
    for _ in range(8):
        x, image = order.free(), new.free()
        columns = []
        for i in range(3):
            moved = x.copy()
            moved[i] += _DIFFERENCE
            columns.append((update(Order.of_free(moved)).free() - image) / _DIFFERENCE)
        jacobian = np.column_stack(columns) - np.eye(3)
        used += 4
        try:
            step = np.linalg.solve(jacobian, x - image)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all() or np.abs(step).max() > 0.5:
            break
        candidate = Order.of_free(x + step)
        after = update(candidate)
        residual = _distance(after, candidate)
        if residual >= best:
            break
        order, new, best = candidate, after, residual
        if best <= tolerance:
            break
    return order, best, used


def _distance(a: Order, b: Order) -> float:
    return float(np.abs(a.array() - b.array()).max())
