"""What all policies have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from sparsectl.circuits.policy.body import Body
from sparsectl.errors import ShapeError

ROUNDING = 1e-12
"""Added to every advance of a phase, so that half cycles of whole steps end on a step."""


class MotorPolicy(nn.Module, ABC):
    """Actions in [-1, 1], one per joint, from an observation and a phase; float64.

    A policy keeps no memory: the state goes in and comes out. For most it is the phase of a
    clock, in cycles within [0, 1), of shape (..., 1).
    """

    state_size = 1

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body

    def prepare(self, vector: Tensor) -> Any:
        """What `act` needs of given parameters, made once for many steps.

        Args:
            vector: parameters in the order of `parameters()`. Shape (..., n).
        """
        return vector

    @abstractmethod
    def act(self, prepared: Any, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step with given parameters, whose leading axes broadcast with the others'.

        Args:
            prepared: what `prepare` made.
            observation: shape (..., observation_size).
            state: shape (..., state_size).

        Returns:
            Action (..., joints) in [-1, 1], and the next state (..., state_size).
        """

    def forward(self, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step. Shapes (..., observation_size), (..., state_size) -> see `act`.

        Raises:
            ShapeError: an observation of another size than the body's.
        """
        self.check(observation)
        return self.act(self.prepare(self.vector()), observation, state)

    def vector(self) -> Tensor:
        """All parameters, in the order of `parameters()`. Shape (n,)."""
        parts = [p.reshape(-1) for p in self.parameters()]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def initial_state(self, *batch: int) -> Tensor:
        """State at the start of an episode. Shape (*batch, state_size)."""
        return torch.zeros(*batch, self.state_size, dtype=torch.float64)

    @property
    def count(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.parameters())

    def check(self, observation: Tensor) -> None:
        """Refuse observations of another body.

        Raises:
            ShapeError: showing both sizes.
        """
        if observation.shape[-1] != self.body.size:
            raise ShapeError(
                f"observation of size {observation.shape[-1]}, expected {self.body.size} for a "
                f"body of {self.body.joints} joints: make the policy for this body "
                "(with_joints of a circuit)"
            )


def advance(phase: Tensor, step: Tensor | float) -> Tensor:
    """Phase one control step later. Shape (..., 1); `step` in cycles."""
    return (phase + (step + ROUNDING)).frac()
