"""Exact enumeration of the modes (activation patterns) of one step, with their vertices.

A box is cut by one neuron after another. Every cell is a polytope given by its vertices and by
which facets each vertex lies on; two vertices are joined by an edge if and only if no third one
lies on all their common facets. Exact in any dimension, practical up to five or six.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsectl.errors import SparsectlError

TOLERANCE = 1e-9
"""A vertex this close to a neuron's boundary counts as on it."""


class TooManyModes(SparsectlError):
    """The network has more reachable modes than the cap, or listing them takes too long."""


@dataclass(frozen=True)
class Layer:
    """Pre-activations `a = W s + Z z + b` of one level, over effective inputs s.

    Attributes:
        W: Shape (k, dimension).
        Z: Shape (k, neurons before).
        b: Shape (k,).
        sign: +1 always on, -1 always off, 0 unknown. Shape (k,).
    """

    W: np.ndarray
    Z: np.ndarray
    b: np.ndarray
    sign: np.ndarray


@dataclass(frozen=True)
class Cell:
    """One mode on a polytope.

    Attributes:
        vertices: Shape (n, dimension).
        facets: which facets every vertex lies on. Shape (n, facets), bool.
        active: activation pattern. Shape (m,), bool.
    """

    vertices: np.ndarray
    facets: np.ndarray
    active: np.ndarray


def box(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (2^d, d) and facets (2^d, 2d) of a box with high > low in every entry."""
    d = len(low)
    up = ((np.arange(1 << d)[:, None] >> np.arange(d)) & 1).astype(bool)
    return np.where(up, high, low), np.concatenate([up, ~up], axis=1)


def enumerate_modes(
    layers: Sequence[Layer],
    low: np.ndarray,
    high: np.ndarray,
    *,
    cap: int = 20_000,
    deadline: float | None = None,
) -> list[Cell]:
    """Every mode with an interior in the box, exactly.

    Args:
        layers: the network.
        low, high: box of effective inputs. Shape (dimension,).
        cap: largest number of modes.
        deadline: `time.perf_counter()` value to give up at.

    Raises:
        TooManyModes: more than `cap` modes, or out of time.
    """
    d = len(low)
    start = (*box(low, high), np.zeros((0, d)), np.zeros(0), np.zeros(0, dtype=bool))
    cells = [start]
    for layer in layers:
        done = []
        for vertices, facets, Z, z, active in cells:
            P, p = layer.W + layer.Z @ Z, layer.b + layer.Z @ z
            for v, f, on in _cut(vertices, facets, P, p, layer.sign, d):
                on_P = P * on[:, None]
                done.append(
                    (v, f, np.concatenate([Z, on_P]), np.concatenate([z, p * on]),
                     np.concatenate([active, on]))
                )  # fmt: skip
            if len(done) > cap:
                raise TooManyModes(
                    f"more than {cap} reachable modes: use fewer ReLUs, a narrower first layer "
                    "or a shorter horizon, or the scip backend"
                )
            if deadline is not None and time.perf_counter() > deadline:
                raise TooManyModes(f"listing modes took too long, {len(done)} so far")
        cells = done
    return [Cell(v, f, active) for v, f, _, _, active in cells]


def _cut(
    vertices: np.ndarray,
    facets: np.ndarray,
    P: np.ndarray,
    p: np.ndarray,
    sign: np.ndarray,
    d: int,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pieces of a cell by the neurons of one level, with the pattern of each piece."""
    pieces = []
    stack = [(vertices, facets, np.zeros(0, dtype=bool))]
    while stack:
        v, f, on = stack.pop()
        first = len(on)
        values = v @ P[first:].T + p[first:]
        above = values.max(axis=0) > TOLERANCE
        below = values.min(axis=0) < -TOLERANCE
        both = above & below
        j = int(np.argmax(both)) if both.any() else len(both)
        settled = np.concatenate([on, above[:j]])
        # A piece on the side that bounds exclude is not reachable.
        known = sign[first : first + j]
        if ((known > 0) & ~above[:j] & below[:j]).any() or ((known < 0) & above[:j]).any():
            continue
        if j == len(both):
            pieces.append((v, f, settled))
            continue
        upper, lower = split(v, f, values[:, j], d)
        wanted = sign[first + j]
        if wanted >= 0:
            stack.append((*upper, np.append(settled, True)))
        if wanted <= 0:
            stack.append((*lower, np.append(settled, False)))
    return pieces


def split(
    vertices: np.ndarray, facets: np.ndarray, values: np.ndarray, d: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Both parts of a polytope cut by the hyperplane on which `values` (one a vertex) is 0."""
    above, below = values > TOLERANCE, values < -TOLERANCE
    on = ~(above | below)
    i, j = np.flatnonzero(above), np.flatnonzero(below)
    counts = facets.astype(np.int16)
    a, b = np.nonzero(counts[i] @ counts[j].T >= d - 1)
    i, j = i[a], j[b]
    common = facets[i] & facets[j]
    lacking = common.astype(np.int16) @ (~facets).astype(np.int16).T
    edge = (lacking == 0).sum(axis=1) == 2
    i, j, common = i[edge], j[edge], common[edge]
    t = (values[i] / (values[i] - values[j]))[:, None]
    new = vertices[i] + t * (vertices[j] - vertices[i])

    def part(side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = np.concatenate([vertices[side], vertices[on], new])
        f = np.concatenate([facets[side], facets[on], common])
        cut = np.ones((len(v), 1), dtype=bool)
        cut[: int(side.sum())] = False
        f = np.concatenate([f, cut], axis=1)
        return v, f[:, f.sum(axis=0) >= d]

    return part(above), part(below)
