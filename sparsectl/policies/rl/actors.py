"""Policy networks as actors that learn by reinforcement."""

from __future__ import annotations

import copy
from typing import Any

import torch
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from torch import Tensor, nn

from sparsectl.policies.network import PolicyNetwork
from sparsectl.policies.rl.networks import Actor, RunningNormaliser


class NetworkActor(Actor):
    """A policy network in units of its action box, trained in float32.

    Args:
        network: a copy of it is trained.
        read: entries of the observation that it may read; weights of others stay 0. Bool, shape
            (observation_size,).
        clipped: clip actions; the gradient passes where it leads back into the box. PPO explores
            around the mean as it is, and clips what was drawn.
    """

    read: Tensor

    def __init__(self, network: PolicyNetwork, read: Tensor, clipped: bool) -> None:
        super().__init__()
        self.size, self.clipped = network.observation_size, clipped
        self._box = {k: getattr(network, k).clone() for k in ("low", "high")}
        self.network = copy.deepcopy(network).float()
        self.register_buffer("read", read)
        self.project()

    def forward(self, observation: Tensor) -> Tensor:
        """Actions (N, nu) of observations (N, no), float32."""
        y = self.network.linears[-1](self.features(observation))
        return _Clip.apply(y) if self.clipped else y  # type: ignore[no-untyped-call]

    def features(self, observation: Tensor) -> Tensor:
        """Last hidden layer (N, neurons), float32."""
        return self.network.features(observation.float())

    def normalise(self, normaliser: RunningNormaliser) -> None:
        """Use these statistics of observations."""
        self.network.mean.copy_(normaliser.mean)
        self.network.scale.copy_(normaliser.scale)

    @torch.no_grad()
    def project(self) -> None:
        """Weights of entries that are not read are 0."""
        self.network.linears[0].weight *= self.read

    def policy(self) -> PolicyNetwork:
        """The policy as trained so far, a copy."""
        network = copy.deepcopy(self.network).double()
        for name, value in self._box.items():
            getattr(network, name).copy_(value)
        return network


class SquashedActor(NetworkActor):
    """The same for SAC: a Gaussian of its own width at every observation, through tanh."""

    def __init__(self, network: PolicyNetwork, read: Tensor) -> None:
        super().__init__(network, read, False)
        width = network.linears[-1].in_features
        self.log_std = nn.Linear(width, network.nu)
        self._normal = SquashedDiagGaussianDistribution(network.nu)

    def forward(self, observation: Tensor, deterministic: bool = True) -> Tensor:
        """Actions (N, nu) of observations (N, no), float32."""
        return self._normal.actions_from_params(*self._parts(observation), deterministic)

    def action_log_prob(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Drawn actions (N, nu), and logarithms of their densities (N,)."""
        return self._normal.log_prob_from_params(*self._parts(observation))

    def _parts(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(observation)
        mean = self.network.linears[-1](features)
        return mean, self.log_std(features).clamp(-20, 2)


class _Clip(torch.autograd.Function):
    """clip(y, -1, 1); a gradient passes unless descending it leads further out of the box."""

    @staticmethod
    def forward(context: Any, y: Tensor) -> Tensor:
        context.save_for_backward(y)
        return y.clamp(-1, 1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (y,) = context.saved_tensors
        outward = ((y > 1) & (gradient < 0)) | ((y < -1) & (gradient > 0))
        return gradient.masked_fill(outward, 0.0)
