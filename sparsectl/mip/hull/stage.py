"""The graph of one step as the vertices of its modes: what its convex hull is made of.

A step is x' = D v + Q z(s) + d with v = [x; u]. Its neurons see v only through a few effective
inputs s = S v, so the non-linear part lives in few dimensions whatever the size of the state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.hull.cells import Layer, enumerate_modes
from sparsectl.program import algebra
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram

_SHARE = 0.7
"""A step uses the vertices of a later one when its box is at least this wide in every entry."""
_FEW = 150
"""With fewer modes than this, every step is listed on its own."""


def effective_inputs(program: ReluProgram, tolerance: float = 1e-10) -> np.ndarray:
    """Basis S of the directions that the neurons see. Shape (dimension, n_in).

    The rows of the first neurons where these are independent (their bounds are the tightest
    known), else a row-reduced basis, which keeps positions and actions apart.
    """
    weights = program.A[:, : program.n_in].toarray()
    first = weights[: program.levels[0].stop] if program.m else weights
    scale = max(abs(weights).max(initial=0.0), 1e-300)
    rank = np.linalg.matrix_rank(weights, tol=tolerance * scale * 1e3) if program.m else 0
    if rank == len(first) and np.linalg.matrix_rank(first, tol=tolerance * scale * 1e3) == rank:
        return first
    return _row_reduced(weights, tolerance * scale * 1e3)


def _row_reduced(weights: np.ndarray, tolerance: float) -> np.ndarray:
    rows, r = weights.copy(), 0
    for j in range(rows.shape[1]):
        if r == len(rows):
            break
        i = r + int(np.argmax(abs(rows[r:, j])))
        if abs(rows[i, j]) <= tolerance:
            continue
        rows[[r, i]] = rows[[i, r]]
        rows[r] /= rows[r, j]
        others = np.arange(len(rows)) != r
        rows[others] -= np.outer(rows[others, j], rows[r])
        r += 1
    return rows[:r]


@dataclass(frozen=True)
class Stage:
    """One step of the horizon.

    Attributes:
        S: effective inputs over this step's inputs. Shape (dimension, inputs).
        D: direct part. Shape (nx, inputs).
        d: Shape (nx,).
        points: effective inputs at the vertices. Shape (n, dimension).
        pre: pre-activations there. Shape (n, m).
        outputs: Q z there. Shape (n, nx).
        Q: Shape (nx, m).
        layers: the neurons over the effective inputs.
        modes: number of modes.
    """

    S: np.ndarray
    D: np.ndarray
    d: np.ndarray
    points: np.ndarray
    pre: np.ndarray
    outputs: np.ndarray
    Q: np.ndarray
    layers: tuple[Layer, ...]
    modes: int

    def evaluate(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pre-activations (n, m) and outputs Q z (n, nx) at effective inputs (n, dimension)."""
        z, pre = np.zeros((len(s), 0)), []
        for layer in self.layers:
            a = s @ layer.W.T + z @ layer.Z.T + layer.b
            pre.append(a)
            z = np.concatenate([z, np.maximum(a, 0.0)], axis=1)
        return np.concatenate([np.zeros((len(s), 0)), *pre], axis=1), z @ self.Q.T

    def with_points(self, s: np.ndarray) -> Stage:
        """With further points of the graph, for example those of a known plan."""
        pre, outputs = self.evaluate(s)
        return replace(
            self,
            points=np.concatenate([self.points, s]),
            pre=np.concatenate([self.pre, pre]),
            outputs=np.concatenate([self.outputs, outputs]),
        )


def build_stages(
    program: ReluProgram,
    x0: np.ndarray,
    bounds: HorizonBounds,
    low: np.ndarray,
    high: np.ndarray,
    *,
    cap: int,
    deadline: float | None = None,
) -> list[Stage]:
    """Stages of every step, from the last one back.

    Args:
        program: dynamics program.
        x0: start. Shape (nx,).
        bounds: sound bounds.
        low, high: bounds of the effective inputs at every step. Shape (H, dimension).
        cap: largest number of modes of a step.
        deadline: `time.perf_counter()` value to give up at.

    Raises:
        TooManyModes: a step has more modes than `cap`, or out of time.
    """
    horizon, nx = bounds.horizon, program.n_out
    S = effective_inputs(program)
    stages: list[Stage] = []
    shared: tuple[np.ndarray, np.ndarray, Stage] | None = None
    for t in range(horizon - 1, 0, -1):
        sign = np.where(bounds.active[t], 1, np.where(bounds.unstable[t], 0, -1))
        if shared is not None and shared[2].modes > _FEW:
            wide_low, wide_high, stage = shared
            inside = (low[t] >= wide_low).all() and (high[t] <= wide_high).all()
            if inside and (high[t] - low[t] >= _SHARE * (wide_high - wide_low)).all():
                stages.append(stage)
                continue
        stage = _stage(program, S, low[t], high[t], sign, cap, deadline)
        stages.append(stage)
        shared = (low[t], high[t], stage)
    first = algebra.fix_inputs(program, np.arange(nx), x0)
    S0 = effective_inputs(first)
    center, radius = (bounds.u_low[0] + bounds.u_high[0]) / 2, (bounds.u_high - bounds.u_low)[0] / 2
    middle, spread = S0 @ center, abs(S0) @ radius
    sign = np.where(bounds.active[0], 1, np.where(bounds.unstable[0], 0, -1))
    stages.append(_stage(first, S0, middle - spread, middle + spread, sign, cap, deadline))
    return stages[::-1]


def _stage(
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
        Layer(
            W[lv.start : lv.stop],
            A[lv.start : lv.stop, n : n + lv.start],
            lv.b,
            sign[lv.start : lv.stop],
        )
        for lv in program.levels
    )
    # Entries without width are constants: the enumeration works in the others.
    free = high - low > 1e-9
    middle = (low + high) / 2
    inner = [
        replace(layer, W=layer.W[:, free], b=layer.b + layer.W[:, ~free] @ middle[~free])
        for layer in layers
    ]
    empty = np.zeros((0, len(S)))
    stage = Stage(S, C[:, :n], program.d, empty, empty, empty, C[:, n:], layers, modes=0)
    if not free.any():
        points, modes = middle[None], 1
    else:
        cells = enumerate_modes(inner, low[free], high[free], cap=cap, deadline=deadline)
        corners = (
            np.concatenate([c.vertices for c in cells]) if cells else np.zeros((0, free.sum()))
        )
        _, index = np.unique(np.round(corners, 9), axis=0, return_index=True)
        points = np.tile(middle, (len(index), 1))
        points[:, free] = corners[index]
        modes = len(cells)
    pre, outputs = stage.evaluate(points)
    return replace(stage, points=points, pre=pre, outputs=outputs, modes=modes)
