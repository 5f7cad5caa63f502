"""Torques that data are collected with: gaits, forward, backward and random ones, with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..collection import autoregression
from .body import CONTROL_SECONDS

JOINTS = 6


@dataclass(frozen=True)
class Gait:
    """Torque offset + strength * sin(2 pi (frequency t + phase)) of every joint, cut to [-1, 1].

    Attributes:
        frequency: [Hz].
        strength, phase, offset: Shape (6,); phases in cycles.
    """

    frequency: float
    strength: np.ndarray
    phase: np.ndarray
    offset: np.ndarray

    def __call__(self, steps: int) -> np.ndarray:
        """Actions (steps, 6), not cut."""
        cycles = self.frequency * CONTROL_SECONDS * np.arange(steps)[:, None] + self.phase
        return self.offset + self.strength * np.sin(2.0 * np.pi * cycles)

    def varied(self, rng: np.random.Generator) -> Gait:
        """A gait like this one."""
        return Gait(
            self.frequency * rng.uniform(0.85, 1.15),
            self.strength * rng.uniform(0.6, 1.3, JOINTS),
            self.phase + 0.05 * rng.standard_normal(JOINTS),
            self.offset + 0.1 * rng.standard_normal(JOINTS),
        )


def _gait(frequency: float, strength: list, phase: list, offset: list) -> Gait:
    return Gait(frequency, np.array(strength), np.array(phase), np.array(offset))


GAITS = (
    _gait(
        3.96,
        [0.65, 1.42, 1.09, 0.87, 1.21, 0.80],
        [0.58, -0.10, 0.44, -0.01, -0.01, 0.76],
        [0.49, 0.00, 0.24, -0.17, -0.22, -0.39],
    ),
    _gait(
        3.95,
        [2.19, -0.29, 0.95, 0.26, 0.71, 1.07],
        [0.22, 0.80, 1.24, 1.05, 0.72, 0.79],
        [0.00, -0.16, -0.51, 0.72, -0.29, -0.22],
    ),
    _gait(
        4.35,
        [1.06, 0.46, 0.21, 1.01, 1.18, 0.38],
        [0.55, 0.61, 0.16, 1.05, 0.47, 0.35],
        [-0.05, -0.29, 0.67, -0.05, -0.56, -0.67],
    ),
    _gait(
        3.90,
        [0.71, 0.67, 0.56, 1.00, 0.86, 0.41],
        [-0.01, 0.67, -0.05, -0.15, 1.30, 1.22],
        [0.38, 0.03, -0.21, -0.01, -0.34, -0.23],
    ),
)
"""Two that run forward and two that run backward, at 1 to 4.5 m/s; of a random search."""


def actions_of(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Actions of one episode: one gait, then another. Shape (steps, 6), float32 in [-1, 1].

    A gait is like one of `GAITS` (3 of 5) or random, at any strength; noise of any slowness has a
    share of its own, which is sometimes all.
    """
    change = int(rng.integers(steps // 4, steps + 1))
    phases = [_drawn(rng)(steps) for _ in range(2)]
    actions = np.where(np.arange(steps)[:, None] < change, *phases)
    share, memory = rng.uniform(0.0, 1.0) ** 2, rng.uniform(0.3, 0.95)
    actions = rng.uniform(0.5, 1.2) * (1.0 - share) * actions
    actions += max(share, 0.1) * autoregression(rng.standard_normal((steps, JOINTS)), memory)
    return np.clip(actions, -1.0, 1.0).astype(np.float32)


def _drawn(rng: np.random.Generator) -> Gait:
    if rng.random() < 0.6:
        return GAITS[rng.integers(len(GAITS))].varied(rng)
    return Gait(
        rng.uniform(0.5, 4.5),
        rng.uniform(0.0, 1.3, JOINTS),
        rng.random(JOINTS),
        rng.uniform(-0.5, 0.5, JOINTS),
    )
