"""Forces that data are collected with: they balance the pole, more or less well."""

from __future__ import annotations

import numpy as np

from ..collection import autoregression

_GAIN = np.array([0.45, 43.0, 1.6, 10.4])
"""Balances the linearised pole where the force suffices, and brings the cart to the middle."""


class Balancer:
    """A linear feedback of a strength and with noise that are drawn for every episode."""

    def __init__(self, rng: np.random.Generator, steps: int) -> None:
        self._strength = rng.uniform(-0.3, 1.2)
        memory, scale = rng.uniform(0.0, 0.9), rng.uniform(0.3, 1.5)
        self._noise = autoregression(scale * rng.standard_normal(steps), memory)

    def __call__(self, t: int, observation: np.ndarray) -> np.ndarray:
        """Action (1,) of control step t, of an observation (4,)."""
        force = self._strength * (_GAIN @ observation) + self._noise[t]
        return np.clip([force], -1.0, 1.0)
