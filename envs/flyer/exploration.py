"""Jets that data are collected with: speeds that change now and then, and some jets at random."""

from __future__ import annotations

import numpy as np

from ..collection import held
from .layout import HALF
from .scene import THRUST

FASTEST = 0.25
"""Largest speed that is wished for, of either axis [m/s]: above the limit of the task."""
_CHANGE, _REST, _RANDOM = 0.2, 0.25, 0.15
_EDGE = 0.3


class Wanderer:
    """Holds a random speed of each axis for a while, at rest every fourth time; away from walls.

    Args:
        seconds: of a control step.
    """

    def __init__(self, rng: np.random.Generator, steps: int, seconds: float) -> None:
        speed = rng.uniform(-FASTEST, FASTEST, (steps, 2))
        speed[rng.random((steps, 2)) < _REST] = 0.0
        self._wish = held(speed, rng.random((steps, 2)) < _CHANGE)
        self._random = rng.random((steps, 2)) < _RANDOM
        self._jets = rng.integers(-1, 2, (steps, 2))
        self._least = THRUST * seconds / 2

    def __call__(self, t: int, observation: np.ndarray) -> np.ndarray:
        """Jets (2,) of control step t."""
        position, velocity = observation[:2], observation[2:4]
        out = np.abs(position) > HALF - _EDGE
        wish = np.where(out, -np.sign(position) * np.abs(self._wish[t]), self._wish[t])
        lack = wish - velocity
        steered = np.sign(lack) * (np.abs(lack) > self._least)
        return np.where(self._random[t] & ~out, self._jets[t], steered)
