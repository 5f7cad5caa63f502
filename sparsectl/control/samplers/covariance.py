"""Gaussian noise with the covariance of given plans, without forming the covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def like(rng: np.random.Generator, plans: Tensor, count: int) -> Tensor:
    """Zero-mean Gaussian noise with the empirical covariance of plans.

    Args:
        plans: Shape (k, H, nu); the noise spans their differences, so k should exceed H * nu.

    Returns:
        Shape (count, H, nu).
    """
    weights = rng.standard_normal((count, len(plans)), dtype=np.float32) / len(plans) ** 0.5
    deviations = (plans - plans.mean(0)).flatten(1)
    return (plans.new_tensor(weights) @ deviations).unflatten(1, plans.shape[1:])
