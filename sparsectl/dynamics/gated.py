"""Networks whose hidden neurons have kinds: what all of them are made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl.dynamics.base import BatchedDynamics
from sparsectl.dynamics.kinds import RELU, Activation, incoming
from sparsectl.dynamics.unset import Unset

Layer = tuple[Tensor, Tensor]
"""Weights and biases."""


class GatedDynamics(BatchedDynamics):
    """A model with kinds of neurons and gates in their place, see `dynamics.kinds`.

    Attributes:
        gates: what replaces the kinds while they are being chosen.
    """

    config: Any
    gates: Sequence[Activation] | None

    def _register(
        self, widths: Sequence[int], scaled: Mapping[str, int], constants: Mapping[str, np.ndarray]
    ) -> None:
        """Make kinds by hidden layer, a mean and deviation by name, and arrays not to be saved."""
        self.gates = None
        for i, width in enumerate(widths):
            self.register_buffer(f"kinds_{i}", torch.full((width,), RELU, dtype=torch.int8))
        for name, size in scaled.items():
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
        for name, value in constants.items():
            array = torch.tensor(value, dtype=torch.float32)
            self.register_buffer(name, array, persistent=False)

    @property
    def kinds(self) -> list[Tensor]:
        """Kinds of the neurons, an int8 buffer for every hidden layer."""
        return [self.get_buffer(f"kinds_{i}") for i in range(len(self.config.hidden))]

    @property
    def kinds_and_gates(self) -> list[tuple[Tensor, Activation | None]]:
        """By hidden layer."""
        gates = [None] * len(self.kinds) if self.gates is None else self.gates
        return list(zip(self.kinds, gates, strict=True))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Models were saved without kinds once."""
        for i, kinds in enumerate(self.kinds):
            state_dict.setdefault(f"{prefix}kinds_{i}", torch.full_like(kinds, RELU))
        super()._load_from_state_dict(state_dict, prefix, *args)


def network(sizes: Sequence[int]) -> nn.ModuleList:
    """Layers of these sizes, from input to output, with weights still to be set."""
    return nn.ModuleList(Unset(a, b) for a, b in itertools.pairwise(sizes))


def linears(network: nn.ModuleList) -> list[nn.Linear]:
    """Layers of a network from input to output."""
    return [cast(nn.Linear, layer) for layer in network]


@torch.no_grad()
def initialise(
    networks: Iterable[nn.ModuleList], skips: Iterable[nn.Linear | None], seed: int
) -> None:
    """He initialisation; small last layers, so that training starts near no motion."""
    generator = torch.Generator().manual_seed(seed)
    for network in networks:
        for layer in linears(network):
            if layer.weight.is_meta:
                return
            std = (0.1 if layer is network[-1] else 2**0.5) / layer.in_features**0.5
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * std)
            layer.bias.zero_()
    for skip in skips:
        if skip is not None:
            nn.init.zeros_(skip.weight)


def cleared(
    layers: Sequence[nn.Linear], pairs: Sequence[tuple[Tensor, Activation | None]]
) -> list[Layer]:
    """Weights and biases, without those that read zero neurons."""
    later = [
        (incoming(layer.weight, *pair), layer.bias)
        for layer, pair in zip(layers[1:], pairs, strict=True)
    ]
    return [(layers[0].weight, layers[0].bias), *later]
