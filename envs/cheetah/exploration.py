"""Torques that data are collected with: gaits, mixed with slow noise."""

from __future__ import annotations

import numpy as np

JOINTS = 6


def actions_of(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Actions of one episode. Shape (steps, 6), float32 in [-1, 1]."""
    frequency = rng.uniform(0.5, 4.0)
    time = 0.05 * np.arange(steps)[:, None]
    phase, strength = rng.uniform(0, 1, JOINTS), rng.uniform(0.2, 1.2, JOINTS)
    gait = strength * np.sin(2 * np.pi * (frequency * time + phase))
    return np.clip(gait, -1.0, 1.0).astype(np.float32)
