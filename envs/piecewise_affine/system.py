"""A small piecewise-affine system that a ReLU network represents exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GAIN_INSIDE, GAIN_OUTSIDE = 1.1, 0.5
"""Gains of the system near the origin (unstable) and far from it (contracting)."""
AUTHORITY = 0.4
"""Displacement by an action of length 1."""


@dataclass(frozen=True)
class System:
    """`x_next = M [x; u] + V max(0, W [x; u] + b)`.

    Attributes:
        M: Shape (nx, nx + nu).
        V: Shape (nx, m).
        W: Shape (m, nx + nu).
        b: Shape (m,).
        radius: no trajectory that starts in the unit box leaves this distance of the origin.
    """

    M: np.ndarray
    V: np.ndarray
    W: np.ndarray
    b: np.ndarray
    radius: float

    def __call__(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Next states (..., nx) of states (..., nx) and actions (..., nu)."""
        v = np.concatenate([x, u], axis=-1)
        return v @ self.M.T + np.maximum(v @ self.W.T + self.b, 0.0) @ self.V.T


def build(states: int, actions: int, seed: int) -> System:
    """A random system with 2 * states ReLUs and the origin as an equilibrium.

    With `y = R x` for an orthogonal R, every `y_i` is amplified by 1.1 between two kinks and by
    0.5 beyond them, then rotated by an orthogonal Q, and the action is added:

        x_next = Q (g y - (g - h) (max(0, y - p) - max(0, -y - q))) + B u

    Left alone it leaves the origin and stays bounded; with actions it can be brought to rest.
    """
    rng = np.random.default_rng(seed)
    R, Q = _orthogonal(rng, states), _orthogonal(rng, states)
    B = rng.standard_normal((states, actions))
    B *= AUTHORITY / np.linalg.norm(B, 2)
    above, below = rng.uniform(0.5, 1.0, (2, states))
    difference = GAIN_INSIDE - GAIN_OUTSIDE
    kinks = np.maximum(above, below)
    push = difference * np.linalg.norm(kinks) + AUTHORITY * np.sqrt(actions)
    none = np.zeros((states, actions))
    return System(
        M=np.hstack([GAIN_INSIDE * Q @ R, B]),
        V=difference * np.hstack([-Q, Q]),
        W=np.vstack([np.hstack([R, none]), np.hstack([-R, none])]),
        b=-np.concatenate([above, below]),
        radius=float(max(np.sqrt(states), push / (1.0 - GAIN_OUTSIDE))),
    )


def _orthogonal(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((size, size)))[0]
