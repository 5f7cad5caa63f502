"""Small data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import toys

from sparsectl.data import Episodes
from sparsectl.task import ObservationConfig, StateMap


@pytest.fixture
def pusher() -> Episodes:
    return toys.pusher()


@pytest.fixture
def linear() -> Episodes:
    """x' = A x + B u + c."""
    A = np.array([[1.0, 0.1, 0.0], [-0.1, 0.9, 0.05], [0.0, 0.0, 0.95]])
    B, c = np.array([[0.0], [0.1], [0.2]]), np.array([0.0, 0.01, -0.02])
    return toys.simulate(lambda x, u: A @ x + B @ u + c, [15] * 30, 3, 1)


@pytest.fixture
def pusher_map() -> StateMap:
    return toys.PUSHER_MAP


@pytest.fixture
def linear_map() -> StateMap:
    return StateMap(ObservationConfig({"x": "0:3"}), 3)
