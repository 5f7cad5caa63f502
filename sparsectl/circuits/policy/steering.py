"""Speed and turn commands from the vector to a target (Bhattasali et al. 2022, `navigate`)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sparsectl.circuits.policy.config import CircuitConfig
from sparsectl.seeding import generator


def start(config: CircuitConfig) -> np.ndarray:
    """Initial parameters of the linear layer: rows speed, right, left; columns of its inputs and
    a bias. Shape (9,)."""
    if config.init == "uniform":
        return generator(config.seed, "circuit", "steering").uniform(-1, 1, 9)
    return np.array([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0])


def command(target: Tensor, layer: Tensor | None, config: CircuitConfig) -> Tensor:
    """Speed, right and left. Shape (..., 3); in [0, 1] if hardcoded, not yet clipped if learned.

    Args:
        target: vector to the target in the head's frame, whose -y points ahead [m]. Shape (..., 2).
        layer: parameters of the learned layer. Shape (..., 9); None: thresholds.
        config: its `dead_zone` and `brake_within`.
    """
    side, along = -target[..., 0], target[..., 1].abs()
    if layer is None:
        rules = (
            along > config.brake_within,
            side > config.dead_zone,
            side < -config.dead_zone,
        )
        return torch.stack(rules, dim=-1).to(target.dtype)
    unit = config.dead_zone
    inputs = torch.stack((side / unit, along / unit, torch.ones_like(side)), dim=-1)
    return (layer.unflatten(-1, (3, 3)) * inputs.unsqueeze(-2)).sum(-1)
