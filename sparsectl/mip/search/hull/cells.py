"""Exact listing of the modes (activation patterns) of one step, with their vertices.

A box is cut by one neuron after another; within the cells of the earlier levels every neuron of
a level is affine. Exact in any dimension, practical up to five or six.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsectl.errors import SparsectlError
from sparsectl.mip.search.hull.complex import Complex, DegenerateCut, box


class TooManyModes(SparsectlError):
    """The network has more reachable modes than the cap, or listing them takes too long."""


@dataclass(frozen=True)
class Layer:
    """Pre-activations `a = W s + Z z + b` of one level, over effective inputs s.

    Attributes:
        W: Shape (k, dimension).
        Z: Shape (k, neurons before).
        b: Shape (k,).
    """

    W: np.ndarray
    Z: np.ndarray
    b: np.ndarray


def list_modes(
    layers: Sequence[Layer],
    low: np.ndarray,
    high: np.ndarray,
    *,
    sign: np.ndarray | None = None,
    cap: int = 20_000,
    deadline: float | None = None,
) -> Complex:
    """Every mode with an interior in the box, exactly: one cell each.

    Args:
        low, high: box of effective inputs, high > low. Shape (dimension,).
        sign: +1 always on, -1 always off, 0 unknown. Shape (neurons,); None: all unknown.
        cap: largest number of modes.
        deadline: `time.perf_counter()` value to give up at.

    Returns:
        Values at the vertices: effective inputs, then pre-activations.

    Raises:
        TooManyModes: more than `cap` modes, or out of time.
    """
    cells, d = box(low, high), len(low)
    for layer in layers:
        s, pre = cells.values[:, :d], cells.values[:, d:]
        a = s @ layer.W.T + np.maximum(pre, 0.0) @ layer.Z.T + layer.b
        start = cells.values.shape[1]
        cells = cells.with_values(np.concatenate([cells.values, a], axis=1))
        for j in range(start, start + len(layer.b)):
            keep = 0 if sign is None else int(sign[j - d])
            cells = cut(cells, cells.values[:, j], keep)
            if cells.cells > cap:
                raise TooManyModes(
                    f"more than {cap} reachable modes: use fewer ReLUs, a narrower first layer "
                    "or a shorter horizon, or the scip backend"
                )
            if deadline is not None and time.perf_counter() > deadline:
                raise TooManyModes(f"listing modes took too long, {cells.cells} so far")
    return cells


def clip(
    cells: Complex, low: np.ndarray, high: np.ndarray, sign: np.ndarray | None = None
) -> Complex:
    """The part of listed modes inside a smaller box, and where neurons have a known sign.

    Raises:
        TooManyModes: rounding leaves no consistent cells.
    """
    d = len(low)
    for i in range(d):
        for bound, keep in ((low[i], 1), (high[i], -1)):
            cells = cut(cells, cells.values[:, i] - bound, keep)
    for j, side in enumerate(() if sign is None else sign.tolist()):
        cells = cut(cells, cells.values[:, d + j], side) if side else cells
    return cells


def cut(cells: Complex, level: np.ndarray, keep: int = 0) -> Complex:
    """As `Complex.cut`; thin faces are a reason to plan otherwise."""
    try:
        return cells.cut(level, keep)
    except DegenerateCut as error:
        raise TooManyModes(f"modes cannot be listed: {error}") from error
