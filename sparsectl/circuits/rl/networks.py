"""Actor and critic input for Stable-Baselines3 around one of our policies.

An observation of the environment comes with the policy's state at its end, where it has one that
acts: (..., no + ns).
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.policy.mlp import MLPPolicy
from sparsectl.errors import ConfigError


class RunningNormaliser(nn.Module):
    """Mean and standard deviation of all samples so far (float64).

    Batches are merged as Chan, Golub and LeVeque (1979) do.

    Args:
        size: numbers in a sample.
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
    """A policy that reads its state from the observation.

    An MLP is trained in float32, for speed; a circuit in float64, as its phase must be exact.

    Args:
        module: policy; a copy of it is trained.
        size: numbers in an observation of the environment.
    """

    def __init__(self, module: MotorPolicy, size: int) -> None:
        super().__init__()
        self.module, self.size = copy.deepcopy(module), size
        if isinstance(module, MLPPolicy):
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

        Beyond 0 the circuit's clamp lets no gradient through. Not done for profiles, where a
        parameter is not one weight.
        """
        if not isinstance(self.module, Circuit):
            return
        if not self.module.config.signed or self.module.config.sharing == "profile":
            return
        for group in self.module.groups:
            weights = getattr(self.module, group.name)
            if group.sign > 0:
                weights.clamp_(min=0)
            elif group.sign < 0:
                weights.clamp_(max=0)

    def twin(self) -> Actor:
        """A copy with weights of its own."""
        return copy.deepcopy(self)

    def policy(self) -> MotorPolicy:
        """The policy as trained so far: a copy in float64 whose parameters can learn."""
        return copy.deepcopy(self.module).double().requires_grad_(True)

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
