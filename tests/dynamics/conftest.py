"""Small data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.data import Episodes
from sparsectl.task import ObservationConfig, StateMap


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


@pytest.fixture
def pusher() -> Episodes:
    """Hand (0:2) moved by 0.1 u; a point (2:4) that follows the hand when it is to its left."""

    def step(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        hand, point = x[:2] + 0.1 * u, x[2:]
        return np.concatenate([hand, point + 0.5 * np.maximum(0.0, hand - point) * [1.0, 0.0]])

    return simulate(step, [12] * 60, 4, 2)


@pytest.fixture
def linear() -> Episodes:
    """x' = A x + B u + c."""
    A = np.array([[1.0, 0.1, 0.0], [-0.1, 0.9, 0.05], [0.0, 0.0, 0.95]])
    B, c = np.array([[0.0], [0.1], [0.2]]), np.array([0.0, 0.01, -0.02])
    return simulate(lambda x, u: A @ x + B @ u + c, [15] * 30, 3, 1)


@pytest.fixture
def pusher_map() -> StateMap:
    return StateMap(ObservationConfig({"hand": "0:2", "point": "2:4"}), 4)


@pytest.fixture
def linear_map() -> StateMap:
    return StateMap(ObservationConfig({"x": "0:3"}), 3)
