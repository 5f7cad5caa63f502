"""Several networks whose mean is the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from sparsectl.dynamics.base import Dynamics
from sparsectl.dynamics.folded import stepper
from sparsectl.dynamics.mlp import MLPDynamics, flat
from sparsectl.errors import ConfigError


class EnsembleDynamics(Dynamics):
    """x' = mean over members of f_i(x, u). Members differ by initial weights and data order.

    Attributes:
        members: the networks.
    """

    def __init__(self, members: Iterable[MLPDynamics]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        if not len(self.members):
            raise ConfigError("an ensemble needs at least one member")
        first = self.networks[0]
        self.config, self.names, self.structure = first.config, first.names, first.structure
        self.nx, self.nu = first.nx, first.nu

    @property
    def networks(self) -> list[MLPDynamics]:
        """The members."""
        return [cast(MLPDynamics, member) for member in self.members]

    def forward(self, x: Tensor, u: Tensor) -> Tensor:
        """Next state. Shapes (..., nx), (..., nu) -> (..., nx), physical units."""
        return self.rollout(x, u[..., None, :])[..., 1, :]

    def rollout(self, x0: Tensor, actions: Tensor) -> Tensor:
        """States, averaged over the members at every step. Shapes as in `Dynamics.rollout`."""
        x, u, leading = flat(self, x0, actions)
        steppers = [stepper(member.fold(), u) for member in self.networks]
        states = [x]
        for t in range(u.shape[1]):
            states.append(torch.stack([step(states[-1], t) for step in steppers]).mean(0))
        return torch.stack(states, dim=1).reshape(*leading, -1, self.nx)

    def disagreement(self, x: Tensor, u: Tensor) -> Tensor:
        """Standard deviation of the members' predictions. Shape (..., nx), physical units."""
        return torch.stack([member(x, u) for member in self.networks]).std(0, correction=0)
