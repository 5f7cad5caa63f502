"""Torques that data are collected with: waves along the body, mixed with slow noise."""

from __future__ import annotations

import numpy as np

from ..collection import autoregression


def waves(rngs: list[np.random.Generator], steps: int, joints: int) -> np.ndarray:
    """Travelling waves of random period, length, strength and shape.

    Most waves run from head to tail, some the other way, so that the swimmer also brakes and
    swims backward; a random mean turns it. The waves' share of the noise is anything from none to
    almost all.

    Args:
        rngs: one generator an episode (E).
        steps: control steps of an episode (T).

    Returns:
        Actions. Shape (E, T, J), float32.
    """
    actions = np.stack([_wave(rng, steps, joints) for rng in rngs])
    return np.clip(actions, -1.0, 1.0).astype(np.float32)


def _wave(rng: np.random.Generator, steps: int, joints: int) -> np.ndarray:
    """Torques of one episode. Shape (steps, joints)."""
    period = np.exp(rng.uniform(np.log(20.0), np.log(120.0)))  # control steps
    lag = rng.uniform(-0.15, 0.35)  # cycles from a joint to the next
    sharpness, strength = rng.uniform(0.5, 6.0), rng.uniform(0.3, 1.3)
    mean = 0.3 * rng.standard_normal() * rng.integers(2)
    phase = np.arange(steps)[:, None] / period - lag * np.arange(joints)
    wave = np.sin(2.0 * np.pi * (phase + rng.uniform()))
    wave = np.tanh(sharpness * wave) / np.tanh(sharpness)
    share, memory = rng.uniform(0.0, 1.0) ** 2, rng.uniform(0.5, 0.98)
    slow = autoregression(rng.standard_normal((steps, joints)), memory)
    return strength * (1.0 - share) * wave + mean + share * slow
