"""Baselines: multi-layer perceptron, uniformly random actions, no action."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from sparsectl.circuits.policy.base import MotorPolicy, advance
from sparsectl.circuits.policy.body import Body
from sparsectl.circuits.policy.config import MLPPolicyConfig
from sparsectl.dynamics.unset import Unset
from sparsectl.seeding import integer

_MULTIPLIER, _MODULUS = 16807.0, 2147483647.0


class MLPPolicy(MotorPolicy):
    """Multi-layer perceptron on the observation, and on a clock if configured.

    Weights start as PyTorch's linear layers do. Observations are used as (observation - mean) /
    scale with the buffers `mean` and `scale`, at first 0 and 1; `normalise` sets them.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: MLPPolicyConfig, body: Body) -> None:
        super().__init__(body)
        self.config = config
        self.register_buffer("mean", torch.zeros(body.size, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(body.size, dtype=torch.float64))
        sizes = [body.size + 2 * config.clock, *config.hidden, body.joints]
        draw = torch.Generator().manual_seed(integer(config.seed, "mlp policy"))
        self._sizes = list(pairwise(sizes))
        self.layers = nn.ModuleList(_layer(*pair, draw) for pair in self._sizes)
        with torch.no_grad():
            for parameter in self.layers[-1].parameters():
                parameter.mul_(config.gain)

    def normalise(self, observations: Tensor) -> None:
        """Set mean and scale to those of observations. Shape (n, observation_size), n >= 2."""
        self.check(observations)
        flat = observations.reshape(-1, self.body.size).to(self.mean)
        self.mean.copy_(flat.mean(0))
        self.scale.copy_(flat.std(0).clamp(min=1e-3))

    def forward(self, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step, see `MotorPolicy.forward`."""
        self.check(observation)
        x = self._inputs(observation, state)
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x, advance(state, 1 / self.config.period)

    def prepare(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Matrices (..., inputs, outputs) and biases (..., 1, outputs) of all layers.

        Axes of length 1 behind the first one are dropped: what shares a member's weights is
        taken together in `act`, as the rows of one product.
        """
        layers, start = [], 0
        if vector.ndim > 2 and vector[:, ..., 0].numel() == len(vector):
            vector = vector.flatten(0, -2)
        for inputs, outputs in self._sizes:
            middle = start + outputs * inputs
            weight = vector[..., start:middle].unflatten(-1, (outputs, inputs)).mT.contiguous()
            start = middle + outputs
            layers.append((weight, vector[..., middle:start].unsqueeze(-2).contiguous()))
        return layers

    def act(
        self, prepared: list[tuple[Tensor, Tensor]], observation: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `MotorPolicy.act`."""
        x = self._inputs(observation, state)
        after = advance(state, 1 / self.config.period)
        first = prepared[0][0]
        if first.ndim == 3 and x.ndim > 1 and len(x) == len(first):
            # One product for all rows of a member reads its weights once.
            rows = x.reshape(len(x), -1, x.shape[-1])
            for weight, bias in prepared:
                rows = torch.tanh(torch.baddbmm(bias, rows, weight))
            return rows.reshape(*x.shape[:-1], -1), after
        x = x.unsqueeze(-2)
        for weight, bias in prepared:
            x = torch.tanh(x @ weight + bias)
        return x.squeeze(-2), after

    def _inputs(self, observation: Tensor, state: Tensor) -> Tensor:
        x = (observation - self.mean) / self.scale
        if not self.config.clock:
            return x
        angle = 2 * math.pi * state
        return torch.cat((x, torch.sin(angle), torch.cos(angle)), dim=-1)


class RandomPolicy(MotorPolicy):
    """Uniformly random actions in [-1, 1].

    The state holds one random number generator per joint (Lehmer's, modulus 2^31 - 1), stirred by
    the observation, so that equal states and observations give equal actions.
    """

    def __init__(self, body: Body, seed: int = 0) -> None:
        super().__init__(body)
        self.seed, self.state_size = seed, body.joints

    def initial_state(self, *batch: int) -> Tensor:
        """See `MotorPolicy.initial_state`; rows differ."""
        draw = torch.Generator().manual_seed(integer(self.seed, "random policy"))
        shape = (*batch, self.state_size)
        return torch.randint(1, int(_MODULUS), shape, generator=draw).to(torch.float64)

    def act(self, prepared: Tensor, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `MotorPolicy.act`."""
        stirred = state + (observation.abs().sum(-1, keepdim=True) * 1e6).floor()
        after = 1 + torch.remainder(stirred * _MULTIPLIER, _MODULUS - 1)
        return 2 * after / _MODULUS - 1, after


class ZeroPolicy(MotorPolicy):
    """No action."""

    def act(self, prepared: Tensor, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """See `MotorPolicy.act`."""
        still = observation.new_zeros(self.body.joints)
        return still.expand(*observation.shape[:-1], self.body.joints), state


def _layer(inputs: int, outputs: int, draw: torch.Generator) -> nn.Linear:
    """Linear layer with weights and biases uniform in +-1 / sqrt(inputs)."""
    layer = Unset(inputs, outputs, dtype=torch.float64)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=draw)
    return layer
