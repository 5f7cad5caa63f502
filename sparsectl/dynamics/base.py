"""What every trainable dynamics model offers."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl.errors import ShapeError


class Dynamics(nn.Module, ABC):
    """One-step model x' = f(x, u) in physical units."""

    nx: int
    nu: int

    @abstractmethod
    def forward(self, x: Tensor, u: Tensor) -> Tensor:
        """Next state. Shapes (..., nx), (..., nu) -> (..., nx), physical units."""

    def rollout(self, x0: Tensor, actions: Tensor) -> Tensor:
        """States of open-loop rollouts. Shape (..., H + 1, nx).

        Args:
            x0: Shape (..., nx).
            actions: Shape (..., H, nu).
        """
        states = [x0]
        for t in range(actions.shape[-2]):
            states.append(self(states[-1], actions[..., t, :]))
        return torch.stack(states, dim=-2)


class BatchedDynamics(Dynamics):
    """A model that is unrolled for a whole batch; one step is a rollout of length 1."""

    @abstractmethod
    def _unroll(self, x: Tensor, u: Tensor) -> Tensor:
        """States of rollouts. Shapes (N, nx), (N, H, nu) -> (N, H + 1, nx)."""

    def forward(self, x: Tensor, u: Tensor) -> Tensor:
        """Next state. Shapes (..., nx), (..., nu) -> (..., nx), physical units."""
        return self.rollout(x, u[..., None, :])[..., 1, :]

    def rollout(self, x0: Tensor, actions: Tensor) -> Tensor:
        """States of open-loop rollouts. Shape (..., H + 1, nx), of the weights' precision.

        Args:
            x0: Shape (..., nx); broadcast over the leading axes of `actions`.
            actions: Shape (..., H, nu).

        Raises:
            ShapeError: last axes that are not nx and nu.
        """
        if x0.shape[-1:] != (self.nx,) or actions.shape[-1:] != (self.nu,):
            raise ShapeError(
                f"model of {self.nx} states and {self.nu} actions got a state of shape "
                f"{tuple(x0.shape)} and actions of shape {tuple(actions.shape)}"
            )
        tensors = itertools.chain(self.parameters(), self.buffers())
        dtype = next((t.dtype for t in tensors if t.is_floating_point()), x0.dtype)
        x0, actions = x0.to(dtype), actions.to(dtype)
        # torch's own imports sympy, a third of a second in the middle of a first decision.
        leading = np.broadcast_shapes(x0.shape[:-1], actions.shape[:-2])
        x = x0.expand(*leading, self.nx).reshape(-1, self.nx)
        u = actions.expand(*leading, *actions.shape[-2:]).reshape(-1, *actions.shape[-2:])
        return self._unroll(x, u).reshape(*leading, -1, self.nx)
