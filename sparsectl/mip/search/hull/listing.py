"""Stages of a whole horizon: modes listed forward in time, or cut out of those already known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparsectl.mip.search.hull.cells import Layer, list_modes
from sparsectl.mip.search.hull.stage import FLAT, Stage, effective_inputs
from sparsectl.program import algebra
from sparsectl.program.bounds import MARGIN, HorizonBounds
from sparsectl.program.relu_program import ReluProgram


def list_stages(
    program: ReluProgram,
    x0: np.ndarray,
    bounds: HorizonBounds,
    low: np.ndarray,
    high: np.ndarray,
    *,
    cap: int,
    known: Sequence[Stage] = (),
    deadline: float | None = None,
) -> list[Stage]:
    """Stages of every step. The vertices of a step bound the effective inputs of the next one.

    Args:
        x0: start. Shape (nx,).
        bounds: sound bounds.
        low, high: bounds of the effective inputs at every step. Shape (H, dimension).
        cap: largest number of modes of a step.
        known: stages of any steps after the first: boxes inside theirs are not listed anew.
        deadline: `time.perf_counter()` value to give up at.

    Raises:
        TooManyModes: a step has more modes than `cap`, or out of time.
    """
    program.require_relus("the hull of modes")
    nx, S = program.n_out, effective_inputs(program)
    signs = np.where(bounds.active, 1, np.where(bounds.unstable, 0, -1))
    first = algebra.fix_inputs(program, np.arange(nx), x0)
    S0 = effective_inputs(first)
    center, radius = (bounds.u_low[0] + bounds.u_high[0]) / 2, (bounds.u_high - bounds.u_low)[0] / 2
    middle, spread = S0 @ center, abs(S0) @ radius
    stages = [_list(first, S0, middle - spread, middle + spread, signs[0], cap, deadline)]
    for t in range(1, bounds.horizon):
        image = _image(stages[-1], S, bounds, t)
        lo, hi = np.maximum(low[t], image[0]), np.minimum(high[t], image[1])
        hi = np.maximum(lo, hi)
        wider = [s for s in known if s.contains(lo, hi, signs[t])]
        if wider:
            smallest = min(wider, key=lambda s: len(s.points))
            stages.append(smallest.clipped(lo, hi, signs[t]))
        else:
            stages.append(_list(program, S, lo, hi, signs[t], cap, deadline))
    return stages


def _image(
    stage: Stage, S: np.ndarray, bounds: HorizonBounds, t: int
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the effective inputs at step t over the vertices of the step before."""
    if len(stage.points) == 0:
        return np.full(len(S), -np.inf), np.full(len(S), np.inf)
    nx = len(stage.d)
    over_x, over_u = S[:, :nx], S[:, nx:]
    direct = over_x @ stage.D
    # What of the direct part the effective inputs determine, and the rest.
    seen = np.linalg.lstsq(stage.S.T, direct.T, rcond=None)[0].T
    rest = direct - seen @ stage.S
    values = stage.points @ seen.T + stage.outputs @ over_x.T + over_x @ stage.d
    low, high = values.min(axis=0), values.max(axis=0)
    u_low, u_high = bounds.u_low[t - 1], bounds.u_high[t - 1]
    v_low = u_low if t == 1 else np.concatenate([bounds.x_low[t - 1], u_low])
    v_high = u_high if t == 1 else np.concatenate([bounds.x_high[t - 1], u_high])
    for form, below, above in (
        (rest, v_low, v_high),
        (over_u, bounds.u_low[t], bounds.u_high[t]),
    ):
        center, radius = form @ ((below + above) / 2), abs(form) @ ((above - below) / 2)
        low, high = low + center - radius, high + center + radius
    return low - MARGIN * (1 + abs(low)), high + MARGIN * (1 + abs(high))


def _list(
    program: ReluProgram,
    S: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    sign: np.ndarray,
    cap: int,
    deadline: float | None,
) -> Stage:
    n, A, C = program.n_in, program.A.toarray(), program.C.toarray()
    W = np.linalg.lstsq(S.T, A[:, :n].T, rcond=None)[0].T if len(S) else np.zeros((program.m, 0))
    layers = tuple(
        Layer(W[lv.start : lv.stop], A[lv.start : lv.stop, n : n + lv.start], lv.b)
        for lv in program.levels
    )
    free = high - low > FLAT
    middle = (low + high) / 2
    cells = None
    if free.any():
        inner = [
            Layer(layer.W[:, free], layer.Z, layer.b + layer.W[:, ~free] @ middle[~free])
            for layer in layers
        ]
        cells = list_modes(inner, low[free], high[free], sign=sign, cap=cap, deadline=deadline)
    Q, none = C[:, n:], np.zeros((0, len(S)))
    stage = Stage(S, C[:, :n], program.d, none, none, none, Q, layers, low, high, sign, free, None)
    return stage.with_cells(cells)
