"""Fitting a value network to what states cost."""

from __future__ import annotations

import numpy as np

from sparsectl import seeding
from sparsectl.errors import DataError
from sparsectl.policies.config import ValueConfig
from sparsectl.policies.network import NetworkConfig, PolicyNetwork
from sparsectl.policies.regression import Fitted, fit
from sparsectl.task import Task
from sparsectl.task.value import ValueNetwork


def fit_value(
    config: ValueConfig, task: Task, inputs: np.ndarray, costs: np.ndarray, groups: np.ndarray
) -> tuple[ValueNetwork, Fitted]:
    """A value network of states and goals.

    Args:
        task: says what the state is and which goals there are.
        inputs: states and then goals. Shape (n, nx + goals).
        costs: what is paid from there on, at least 0. Shape (n,).
        groups: which rows belong together: those of a group are held out together. Shape (n,).

    Returns:
        The network, and its errors; 1 is half the largest cost.

    Raises:
        DataError: all states cost the same.
        TrainingDiverged: see `fit`.
    """
    if not np.ptp(costs) > 0:
        raise DataError("value: all states cost the same, so there is nothing to fit")
    state, goal = task.parts
    seed = seeding.integer(config.seed, "value")
    low, high = np.zeros(1), np.array([costs.max()])
    network = PolicyNetwork(NetworkConfig(config.hidden), inputs.shape[1], low, high, seed=seed)
    weights = (costs + config.near * costs.mean()) ** -2.0
    fitted = fit(network, inputs, costs[:, None], groups, config.fit, seed=seed, weights=weights)
    return ValueNetwork(tuple(network.arrays()), state, goal), fitted
