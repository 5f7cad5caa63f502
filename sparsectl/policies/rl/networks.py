"""Actor and critic input for Stable-Baselines3 around one of our policies.

An observation of the environment comes with the policy's state at its end, where it has one that
acts: (..., no + ns).
"""

from __future__ import annotations

import copy
import math
from typing import Self

import torch
from torch import Tensor, nn


class RunningNormaliser(nn.Module):
    """Mean and standard deviation of all samples so far (float64).

    Batches are merged as Chan, Golub and LeVeque (1979) do.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @property
    def scale(self) -> Tensor:
        """Standard deviations, at least 0.001. Shape (size,)."""
        return self.variance.sqrt().clamp(min=1e-3)

    def update(self, samples: Tensor) -> None:
        """Take samples (..., size) into the statistics."""
        rows = samples.reshape(-1, len(self.mean)).double()
        share = len(rows) / (self.count + len(rows))
        delta = rows.mean(0) - self.mean
        mixed = (1 - share) * self.variance + share * rows.var(0, correction=0)
        self.variance.copy_(mixed + share * (1 - share) * delta**2)
        self.mean.add_(share * delta)
        self.count.add_(len(rows))

    def forward(self, observation: Tensor) -> Tensor:
        """Normalised observation (..., size)."""
        return (observation - self.mean) / self.scale


class Actor(nn.Module):
    """A policy as Stable-Baselines3's algorithms train it; actions are in [-1, 1].

    Subclasses say `forward`: actions (N, nu), float32, of observations (N, no + ns).

    Attributes:
        size: numbers in an observation of the environment, without the policy's state.
        plain: whether it is a plain network, not a structure with few weights; defaults differ.
    """

    size: int
    plain: bool = True

    def normalise(self, normaliser: RunningNormaliser) -> None:
        """Use these statistics of observations, where the policy has any."""

    def project(self) -> None:
        """Undo what a gradient step must not do."""

    def twin(self) -> Self:
        """A copy with weights of its own."""
        return copy.deepcopy(self)

    def set_training_mode(self, mode: bool) -> None:
        """As Stable-Baselines3's actors have it; nothing differs in training."""


class CriticInput(nn.Module):
    """Observation, normalised, and sine and cosine of the state's cycles where there is one.

    Args:
        size: numbers in an observation of the environment.
        states: numbers of the state at its end.
        normaliser: of the observation; None: raw.
    """

    def __init__(self, size: int, states: int, normaliser: RunningNormaliser | None) -> None:
        super().__init__()
        self.size, self.normaliser, self.width = size, normaliser, size + 2 * states

    def forward(self, observation: Tensor) -> Tensor:
        """Input of a critic (N, width) from (N, no + ns), float32."""
        seen, angle = observation[..., : self.size], 2 * math.pi * observation[..., self.size :]
        if self.normaliser is not None:
            seen = self.normaliser(seen)
        return torch.cat([seen, angle.sin(), angle.cos()], dim=-1).float()
