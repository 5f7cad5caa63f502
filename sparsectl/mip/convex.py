"""Convex quadratic programs: a `MIPModel` with its binaries fixed, by Clarabel.

HiGHS' own QP solver can cycle for ever on degenerate problems, where no time limit reaches it;
an interior-point method ends in a few dozen iterations.
"""

from __future__ import annotations

import clarabel
import numpy as np
import scipy.sparse as sp

from sparsectl.mip.model import MIPModel

_TOLERANCE = 1e-10
_SOLVED = ("Solved", "AlmostSolved")


def minimise(
    model: MIPModel, low: np.ndarray, high: np.ndarray, seconds: float | None = None
) -> np.ndarray | None:
    """Optimal assignment within bounds, integrality aside.

    Args:
        low, high: bounds to use instead of the model's. Shape (n,). Equal bounds fix a variable.
        seconds: time limit [s], or None.
    """
    if (low > high).any():
        return None
    free = high > low
    values = low.copy()
    A = model.A[:, free].tocsr()
    fixed = model.A[:, ~free] @ values[~free]
    row_low, row_high = model.row_low - fixed, model.row_high - fixed
    equal = row_low == row_high
    upper, lower = ~equal & np.isfinite(row_high), ~equal & np.isfinite(row_low)
    eye = sp.eye_array(int(free.sum()), format="csr")
    above, below = np.isfinite(high[free]), np.isfinite(low[free])
    G = sp.vstack([A[equal], A[upper], -A[lower], eye[above], -eye[below]], format="csc")
    h = np.concatenate(
        [row_low[equal], row_high[upper], -row_low[lower], high[free][above], -low[free][below]]
    )
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TOLERANCE
    if seconds is not None:
        settings.time_limit = max(seconds, 1e-3)
    cones = [
        clarabel.ZeroConeT(int(equal.sum())),
        clarabel.NonnegativeConeT(len(h) - int(equal.sum())),
    ]
    P = sp.diags_array(2.0 * model.q[free], format="csc")
    answer = clarabel.DefaultSolver(P, model.c[free], G, h, cones, settings).solve()
    if str(answer.status) not in _SOLVED:
        return None
    values[free] = np.clip(np.asarray(answer.x), low[free], high[free])
    return values
