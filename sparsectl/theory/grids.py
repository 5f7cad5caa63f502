"""Quadrature: Gauss-Legendre panels that follow the narrowest scale of an integrand.

Integrands of the theory are smooth, but on scales that shrink as learning succeeds. Panels whose
edges close in geometrically on the places where that happens resolve them with few nodes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

ORDER = 12
REACH = 8.5
"""Standard deviations after which a Gaussian weight is dropped; 1e-17 of it lies beyond."""


def panels(edges: Iterable[float], order: int = ORDER) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss-Legendre rule.

    Args:
        edges: of the panels, in any order, at least two different ones.
        order: nodes in each panel.

    Returns:
        Nodes, ascending, and weights. Both have shape (panels * order,).
    """
    ends = np.unique(np.asarray(list(edges), dtype=float))
    x, w = _legendre(order)
    half = np.diff(ends) / 2
    nodes = (ends[:-1] + half)[:, None] + half[:, None] * x
    return nodes.ravel(), (half[:, None] * w).ravel()


def closing_in(
    low: float, high: float, centres: Iterable[tuple[float, float]], step: float
) -> list[float]:
    """Edges of panels on [low, high].

    Args:
        centres: places and scales: panels are about as wide as the scale at the place and as
            the distance from it elsewhere.
        step: no panel is wider.
    """
    count = max(1, int(np.ceil((high - low) / step)))
    edges = list(np.linspace(low, high, count + 1))
    for centre, scale in centres:
        doublings = int(np.ceil(np.log2(max(step / scale, 1.0)))) + 1
        distances = np.concatenate([[0.0], scale * 2.0 ** np.arange(doublings)])
        around = np.concatenate([centre - distances, centre + distances])
        edges += list(around[(around > low) & (around < high)])
    return edges


def gaussian(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a standard Gaussian, fine around 0.

    Args:
        scale: of the integrand around 0.
    """
    z, w = panels(closing_in(-REACH, REACH, [(0.0, max(scale, 1e-6))], step=2.0))
    return z, w * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)


@lru_cache
def _legendre(order: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(order)
