"""What every trainable dynamics model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Dynamics(nn.Module, ABC):
    """One-step model x' = f(x, u) in physical units.

    Attributes:
        nx: size of the state.
        nu: size of the action.
    """

    nx: int
    nu: int

    @abstractmethod
    def forward(self, x: Tensor, u: Tensor) -> Tensor:
        """Next state. Shapes (..., nx), (..., nu) -> (..., nx), physical units."""

    def rollout(self, x0: Tensor, actions: Tensor) -> Tensor:
        """States of open-loop rollouts.

        Args:
            x0: Shape (..., nx).
            actions: Shape (..., H, nu).

        Returns:
            Shape (..., H + 1, nx).
        """
        states = [x0]
        for t in range(actions.shape[-2]):
            states.append(self(states[-1], actions[..., t, :]))
        return torch.stack(states, dim=-2)
