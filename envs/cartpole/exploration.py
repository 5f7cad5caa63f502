"""Forces that data are collected with: they swing the pole up and balance it, more or less well."""

from __future__ import annotations

import numpy as np

from ..collection import autoregression
from .scene import LENGTH

GRAVITY = 9.81
_CATCH = 0.8


class Swinger:
    """Pumps energy into the pole, then balances it; with noise that is drawn for every episode.

    Pumping is the energy feedback of Astrom and Furuta (2000) with a pull to the middle of the
    rail, balancing a linear feedback. How strong both are, the energy that is aimed at, and how
    strong and how slow the noise is, differ from episode to episode, so that falling, whirling
    and hitting the buffers are in the data too.
    """

    def __init__(self, rng: np.random.Generator, steps: int) -> None:
        self._pump = max(0.0, rng.uniform(-0.5, 2.0))
        self._balance = rng.uniform(0.0, 1.3)
        self._energy = rng.uniform(0.8, 1.3)
        self._centre = rng.uniform(0.0, 1.5)
        memory, scale = rng.uniform(0.0, 0.9), rng.uniform(0.1, 1.0)
        self._noise = autoregression(scale * rng.standard_normal(steps), memory)

    def __call__(self, t: int, observation: np.ndarray) -> np.ndarray:
        """Action (1,) of control step t, of an observation (5,)."""
        position, velocity, sine, cosine, spin = observation
        if cosine > _CATCH:
            wanted = 6.0 * sine + 1.2 * spin + 0.5 * position + 0.8 * velocity
            force = self._balance * wanted
        else:
            # of a rod, relative to upright and in units of m g L / 2: 1 at rest upright
            energy = LENGTH / (3.0 * GRAVITY) * spin**2 + cosine
            lack = self._energy - energy
            force = -self._pump * np.sign(spin * cosine) * np.clip(lack, -1, 1)
            force -= self._centre * (position + 0.2 * velocity)
        return np.clip([force + self._noise[t]], -1.0, 1.0)
