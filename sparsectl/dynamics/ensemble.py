"""Several networks whose mean is the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from sparsectl.dynamics.base import BatchedDynamics
from sparsectl.dynamics.folded import stepper
from sparsectl.dynamics.mlp import MLPDynamics
from sparsectl.errors import ConfigError


class EnsembleDynamics(BatchedDynamics):
    """x' = mean over members of f_i(x, u). Members differ by initial weights and data order."""

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

    def _unroll(self, x: Tensor, u: Tensor) -> Tensor:
        """States, averaged over the members at every step."""
        steppers = [stepper(member.fold(), u) for member in self.networks]
        states = [x]
        for t in range(u.shape[1]):
            states.append(torch.stack([step(states[-1], t) for step in steppers]).mean(0))
        return torch.stack(states, dim=1)
