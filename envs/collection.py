"""What collections of many episodes share."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .check import checked_count


class Explorer(Protocol):
    """A policy for one episode, from its observation, or for N at once, from their qpos."""

    def __call__(self, t: int, seen: np.ndarray, /) -> np.ndarray:
        """Actions (nu,) of control step t, from (no,); or (N, nu), from (N, nq)."""
        ...


def episode_seeds(seed: int, episodes: int, steps: int, workers: int) -> np.ndarray:
    """Seeds of a collection's episodes. Shape (E,), int64; more episodes only append to them.

    Raises:
        TaskError: an argument of the collection has a wrong type or value.
    """
    checked_count("episodes", episodes)
    checked_count("steps", steps)
    checked_count("workers", workers)
    checked_count("seed", seed, 0)
    return np.random.SeedSequence(int(seed)).generate_state(episodes).astype(np.int64)


def autoregression(white: np.ndarray, memory: float) -> np.ndarray:
    """Noise with the variance of white noise (T, ...) and a correlation from step to step."""
    noise = np.empty_like(white)
    noise[0] = white[0]
    for t in range(1, len(white)):
        noise[t] = memory * noise[t - 1] + np.sqrt(1.0 - memory**2) * white[t]
    return noise


def held(values: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Values kept from one change to the next, the first step being one.

    Shapes (T, n), (T, n) bool -> (T, n).
    """
    steps = np.arange(len(values))[:, None]
    since = np.where(change, steps, 0)
    return np.take_along_axis(values, np.maximum.accumulate(since, axis=0), axis=0)
