"""Data whose truth is known."""

from __future__ import annotations

import numpy as np

from sparsectl.data import Episodes
from sparsectl.task import ObservationConfig, StateMap

PUSHER_MAP = StateMap(ObservationConfig({"hand": "0:2", "point": "2:4"}), 4)


def simulate(step, lengths, nx: int, nu: int, seed: int = 0) -> Episodes:
    """Episodes of x' = step(x, u) from random starts under random actions."""
    rng = np.random.default_rng(seed)
    observations, actions = [], []
    for length in lengths:
        x, u = [rng.normal(size=nx)], rng.uniform(-1, 1, size=(length, nu))
        for a in u:
            x.append(step(x[-1], a))
        observations.append(np.stack(x))
        actions.append(u)
    flags = [np.zeros(n, bool) for n in lengths]
    rewards, seeds = [np.zeros(n) for n in lengths], np.arange(len(lengths))
    return Episodes(observations, actions, rewards, flags, flags, seeds, env_id="Toy-v0")


def pusher() -> Episodes:
    """Hand (0:2) moved by 0.1 u; a point (2:4) that follows the hand when it is to its left."""

    def step(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        hand, point = x[:2] + 0.1 * u, x[2:]
        return np.concatenate([hand, point + 0.5 * np.maximum(0.0, hand - point) * [1.0, 0.0]])

    return simulate(step, [12] * 60, 4, 2)
