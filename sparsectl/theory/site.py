"""One weight: averages over its mean m in a field, and over the fields it feels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from sparsectl.theory import grids

_TAIL = 14.0
_CHUNK = 400_000


@dataclass(frozen=True)
class Moments:
    """Averages of one weight in given fields, each of the shape of the fields.

    Attributes:
        log_z: log of the normalisation.
        m, square, sign: mean of m, m^2 and sign m.
    """

    log_z: np.ndarray
    m: np.ndarray
    square: np.ndarray
    sign: np.ndarray


@dataclass(frozen=True)
class Site:
    """Weight exp(A m^2 + y m + k s(m)) on -1 < m < 1, s the entropy of a +-1 variable of mean m.

    Attributes:
        curvature: A.
        entropy: k, what a Kullback-Leibler divergence contributes.
    """

    curvature: float
    entropy: float = 0.0

    def moments(self, y: np.ndarray) -> Moments:
        """Averages at fields y, shape (n,).

        The integral runs over theta = artanh m, where both edges are smooth.
        """
        u, log_w = self.nodes(float(np.abs(y).max(initial=1.0)))
        rows = max(1, _CHUNK // len(u))
        parts = [self._moments(y[i : i + rows], u, log_w) for i in range(0, len(y), rows)]
        return Moments(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def nodes(self, y: float) -> tuple[np.ndarray, np.ndarray]:
        """Half of the rule for fields up to y: theta > 0 and the log weight of both signs.

        Returns:
            theta and ln(weight) + A m^2 + k s(m); shape (n,) each.
        """
        steepest = abs(y) + 2 * abs(self.curvature) + 1
        stiffness = 2 * abs(self.curvature) + self.entropy
        width = min(1.5, 5 / np.sqrt(max(stiffness, 1e-9)))
        end = 0.5 * np.log(4 * steepest) + _TAIL
        u, w = grids.panels(grids.closing_in(0.0, end, [], width))
        m, tail = np.tanh(u), np.log1p(np.exp(-2 * u))
        log_w = np.log(w) - 2 * (u + tail - np.log(2)) + self.curvature * (m * m - 1)
        if self.entropy:
            log_w += self.entropy * (expit(2 * u) * tail + expit(-2 * u) * (2 * u + tail))
        return u, log_w

    def _moments(self, y: np.ndarray, u: np.ndarray, log_w: np.ndarray) -> tuple:
        # Relative to the weight at the favoured edge; the other sign of m has e^{-2|y|m} of it.
        m, strength = np.tanh(u), np.abs(y)[:, None]
        exponent = log_w + strength * (m - 1)
        top = exponent.max(axis=1, keepdims=True)
        near = np.exp(exponent - top)
        far = near * np.exp(-2 * strength * m)
        both, odd = near + far, near - far
        z, side = both.sum(1), np.sign(y)
        return (
            np.log(z) + top[:, 0] + np.abs(y) + self.curvature,
            side * (odd @ m) / z,
            (both @ (m * m)) / z,
            side * odd.sum(1) / z,
        )


def fields(
    means: np.ndarray, shares: np.ndarray, spread: float, site: Site
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of y = Y + spread x, with x a standard Gaussian and Y discrete.

    Args:
        means: Y. Shape (n,).
        shares: their probabilities, with any number of columns: several laws on the same Y.
            Shape (n,) or (n, k).
        site: what is to be averaged; the nodes resolve its averages.

    Returns:
        Fields, shape (nodes,), and weights, shape (nodes,) or (nodes, k).
    """
    if spread < 0.5:  # averages do not bend on that scale
        x, w = np.polynomial.hermite_e.hermegauss(20)
        y = means[:, None] + spread * x
        weights = shares[:, None] * (w / w.sum()).reshape(-1, *[1] * (shares.ndim - 1))
        return y.ravel(), weights.reshape(y.size, *shares.shape[1:])
    reach = grids.REACH * spread
    knee = 2 * abs(site.curvature)
    centres = [(0.0, 1.0)] + [(c, max(1.0, np.sqrt(knee))) for c in (-knee, knee)]
    edges = grids.closing_in(means.min() - reach, means.max() + reach, centres, 2.0 * spread)
    y, w = grids.panels(edges)
    density = np.exp(-0.5 * ((y[:, None] - means) / spread) ** 2) / (np.sqrt(2 * np.pi) * spread)
    weights = (density @ shares) * w.reshape(-1, *[1] * (shares.ndim - 1))
    used = weights.reshape(len(y), -1).max(1) > 1e-15
    return y[used], weights[used]
