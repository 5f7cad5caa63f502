"""Fixed points of a map of overlaps: damped iteration to the basin, Newton's method to the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sparsectl.theory.order import Order

Map = Callable[[Order], Order]
_STEP = 0.5
"""Weight of the new value in the damped iteration."""
_MAPS = 400
"""Of the damped iteration, at most."""
_NEAR = 3e-4
"""Change of an overlap in one map at which Newton's method takes over."""
_DIFFERENCE = 1e-6


@dataclass(frozen=True)
class Found:
    """A point and how well it is fixed."""

    order: Order
    residual: float
    converged: bool


def solve(update: Map, start: Order, tolerance: float = 1e-9) -> Found:
    """A stable fixed point of `update` in whose basin `start` lies.

    Newton's method is given up, and the damped iteration goes on, where it does not lower the
    residual or leaves the neighbourhood.

    Args:
        tolerance: largest change of an overlap that counts as converged.
    """
    order, used, residual, due = start, 0, np.inf, _NEAR
    while used < _MAPS:
        new, used = update(order), used + 1
        residual = _distance(new, order)
        if residual <= tolerance:
            break
        if residual <= due:
            order, residual, spent = _newton(update, order, new, tolerance)
            used += spent
            if residual <= tolerance:
                break
            due = residual / 10
            continue
        mixed = order.array() + _STEP * (new.array() - order.array())
        order = Order(*map(float, mixed))
    return Found(order, float(residual), bool(residual <= tolerance))


def _newton(update: Map, order: Order, new: Order, tolerance: float) -> tuple[Order, float, int]:
    """Newton steps in free coordinates while they pay."""
    best, used = _distance(new, order), 0
    for _ in range(8):
        x, image = order.free(), new.free()
        slopes = jacobian(lambda free: update(Order.of_free(free)).free(), x, image)
        used += 4
        try:
            step = np.linalg.solve(slopes - np.eye(3), x - image)
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


def jacobian(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """By forward differences from `value`, the function at x. Shape (outputs, inputs)."""
    columns = []
    for i in range(len(x)):
        moved = x.copy()
        moved[i] += _DIFFERENCE
        columns.append((function(moved) - value) / _DIFFERENCE)
    return np.column_stack(columns)


def _distance(a: Order, b: Order) -> float:
    return float(np.abs(a.array() - b.array()).max())
