"""Weak duality: a lower bound of a (relaxed) model that any multipliers prove.

    min c'v + v' diag(q) v  >=  y'side + sum_j min over [l_j, u_j] of (c - A'y)_j v_j + q_j v_j^2

for every y, with the side of each row that its sign selects (Neumaier and Shcherbina 2004). No
tolerance of a solver enters; rounding is covered by an outward margin.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

ROUNDING = 3e-8
"""Every bound is lowered by this, relative to 1 + |bound|."""


def fair(y: np.ndarray, row_low: np.ndarray, row_high: np.ndarray) -> np.ndarray:
    """Multipliers without those of sides that do not exist (or are not numbers)."""
    wrong = ((y > 0) & np.isinf(row_low)) | ((y < 0) & np.isinf(row_high)) | ~np.isfinite(y)
    return np.where(wrong, 0.0, y)


def parts(
    y: np.ndarray,
    c: np.ndarray,
    transposed: sp.csr_array,
    row_low: np.ndarray,
    row_high: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    q: np.ndarray | None = None,
) -> float:
    """The bound of fair multipliers, offset and rounding aside.

    Args:
        y: multipliers of the rows, see `fair`. Shape (rows,).
        c, q: linear and diagonal quadratic cost, q >= 0 or None. Shape (n,).
        transposed: the rows' matrix, transposed. Shape (n, rows).
        row_low, row_high: sides of the rows. Shape (rows,).
        low, high: bounds of the variables. Shape (n,).
    """
    side = np.where(y > 0, row_low, np.where(y < 0, row_high, 0.0))
    reduced = c - transposed @ y
    if q is None or not q.any():
        return float(y @ side + reduced @ np.where(reduced > 0, low, high))
    curved = q > 0
    at = np.where(reduced > 0, low, high)
    at[curved] = np.clip(-reduced[curved] / (2 * q[curved]), low[curved], high[curved])
    return float(y @ side + reduced @ at + q @ at**2)


def rounded_down(bound: float) -> float:
    """The bound lowered by what rounding may have added."""
    return bound - ROUNDING * (1 + abs(bound))
