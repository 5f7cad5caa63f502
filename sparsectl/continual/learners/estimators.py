"""What stands for the derivative of the sign."""

from __future__ import annotations

import math

import torch
from torch import Tensor

RESTE_CORE = 0.1
"""ReSTE: below this size of a latent weight the slope is constant."""
RESTE_END = 1.5
"""ReSTE: beyond this size there is no slope."""


def reste_exponent(step: int, steps: int, end: float) -> float:
    """Exponent o of ReSTE after some steps (Wu et al., ICCV 2023).

    1 + (1 - cos(pi step / (2 steps))) (end - 1): from 1, a plain straight-through estimator, to
    `end`; constant afterwards.
    """
    done = min(max(step, 0) / max(steps, 1), 1.0)
    return 1.0 + (1.0 - math.cos(0.5 * math.pi * done)) * (end - 1.0)


def reste_slope(latent: Tensor, o: float) -> Tensor:
    """Derivative of sign(w) |w|^(1/o), as ReSTE bounds it (Wu et al., ICCV 2023).

    Constant up to 0.1, where the true one is unbounded: there the secant's, 0.1^(1/o) / 0.1.
    Zero beyond 1.5.
    """
    size = latent.abs()
    core = size <= RESTE_CORE
    slope = size.clamp_min(RESTE_CORE).pow((1.0 - o) / o) / o
    slope = torch.where(core, RESTE_CORE ** (1.0 / o) / RESTE_CORE, slope)
    return torch.where(size <= RESTE_END, slope, 0.0)


def biper_slope(latent: Tensor, omega: float) -> Tensor:
    """Derivative omega cos(omega w) of the wave sin(omega w), of which BiPer takes the sign
    (Vargas et al., CVPR 2024)."""
    return omega * torch.cos(omega * latent)
