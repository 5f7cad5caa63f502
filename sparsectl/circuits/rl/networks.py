"""Motor policies as actors that learn by reinforcement.

An observation of the environment comes with the policy's state at its end, where it has one that
acts: (..., no + ns).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.policy.mlp import MLPPolicy
from sparsectl.errors import ConfigError
from sparsectl.policies.rl.networks import Actor, RunningNormaliser


class MotorActor(Actor):
    """A policy that reads its state from the observation.

    An MLP is trained in float32, for speed; a circuit in float64, as its phase must be exact.

    Args:
        module: policy; a copy of it is trained.
        size: numbers in an observation of the environment.
    """

    def __init__(self, module: MotorPolicy, size: int) -> None:
        super().__init__()
        self.module, self.size = copy.deepcopy(module), size
        self.plain = isinstance(module, MLPPolicy)
        if self.plain:
            self.module.float()
        self._type = next(self.module.parameters()).dtype

    def forward(self, observation: Tensor) -> Tensor:
        """Actions (N, nu) of observations (N, no + ns), float32."""
        seen, state = observation[..., : self.size], observation[..., self.size :]
        if not state.shape[-1]:
            state = self.module.initial_state(len(seen))
        return self.module(seen.to(self._type), state.to(self._type))[0].float()

    def normalise(self, normaliser: RunningNormaliser) -> None:
        """Let an MLP use these statistics; other policies use raw observations."""
        if isinstance(self.module, MLPPolicy):
            self.module.mean.copy_(normaliser.mean)
            self.module.scale.copy_(normaliser.scale)

    @torch.no_grad()
    def project(self) -> None:
        """Put weights of a wrong sign back to 0, which acts alike but can still be learned from.

        Beyond 0 the circuit's clamp lets no gradient through.
        """
        if not isinstance(self.module, Circuit) or not self.module.config.signed:
            return
        for group in self.module.groups:
            weights = getattr(self.module, group.name)
            if group.sign > 0:
                weights.clamp_(min=0)
            else:
                weights.clamp_(max=0)

    def policy(self) -> MotorPolicy:
        """The policy as trained so far: a copy in float64 whose parameters can learn."""
        return copy.deepcopy(self.module).double().requires_grad_(True)


def clocked(module: MotorPolicy) -> bool:
    """Whether a policy's actions depend on its state: an MLP's only with a clock."""
    return not isinstance(module, MLPPolicy) or module.config.clock


def learnable(module: MotorPolicy) -> MotorPolicy:
    """A copy without learning in parameters that only act through the state.

    The state is part of the observation, so an actor has no gradient with respect to its period.

    Raises:
        ConfigError: nothing is left to learn.
    """
    if (module.initial_state() < 0).any():
        raise ConfigError(
            "circuit: the first phase of onset 'posture' is not a function of time, which is all "
            "that an actor is told: learn with onset 'dorsal' and change it afterwards, or use "
            "evolution (kind: evolution)"
        )
    module = copy.deepcopy(module)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name != "period")
    if not any(p.requires_grad for p in module.parameters()):
        raise ConfigError(
            f"{type(module).__name__} has no parameters that reinforcement learning can change: "
            "choose a Circuit or an MLPPolicy"
        )
    return module
