"""The network all learners share: fully connected, no real-valued biases, fields over sqrt(n)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sparsectl.checks import whole, within


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of a network. The same for every learner of a comparison."""

    hidden: tuple[int, ...] = (256, 256)
    """Neurons in each hidden layer."""
    activation: Literal["relu", "sign"] = "relu"
    """Of the hidden neurons. Both can be planned with exactly."""
    constant: int = 0
    """Inputs of every layer that are always 1: what one-bit weights have for a bias."""
    norm: Literal["none", "layer"] = "none"
    """`layer`: fields are brought to mean 0 and variance 1 over a layer's neurons, without
    learned scale. Such a network cannot be planned with exactly."""
    gain: float = 1.0
    """Fields are gain * W a / sqrt(n); the root of 2 keeps ReLU activations from shrinking."""
    copies: int = 1
    """How often the first layer reads each input. With k copies one-bit weights add up to
    -k, -k + 2, ... k: a neuron can weigh inputs unequally, and ignore some where k is even."""

    def __post_init__(self) -> None:
        whole(self, "network", "[1, inf)", "hidden", "copies")
        whole(self, "network", "[0, inf)", "constant")
        within(self, "network", "(0, inf)", "gain")


@dataclass(frozen=True)
class Layers:
    """Forward pass with weights that are given from outside."""

    config: NetworkConfig
    n_in: int
    n_out: int

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(outputs, inputs with constants) of every weight matrix."""
        sizes = [self.n_in * self.config.copies, *self.config.hidden, self.n_out]
        return [(b, a + self.config.constant) for a, b in itertools.pairwise(sizes)]

    def extended(self, a: Tensor, layer: int) -> Tensor:
        """What a layer reads: its inputs, copied for the first layer, and the constants.

        Shape (..., n) -> (..., inputs of the layer).
        """
        parts = [a] * (self.config.copies if layer == 0 else 1)
        if self.config.constant:
            parts.append(a.new_ones(*a.shape[:-1], self.config.constant))
        return torch.cat(parts, dim=-1) if len(parts) > 1 else a

    def scale(self, inputs: int) -> float:
        """gain / sqrt(n)."""
        return self.config.gain / inputs**0.5

    def activate(self, z: Tensor) -> Tensor:
        """Hidden activations. The sign's gradient is that of a clipped identity."""
        if self.config.norm == "layer":
            z = torch.nn.functional.layer_norm(z, z.shape[-1:])
        if self.config.activation == "relu":
            return z.relu()
        clipped = z.clamp(-1, 1)
        return clipped + (signs(z) - clipped).detach()

    def __call__(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """Fields of the last layer. Shape (..., n_out).

        Args:
            weights: one matrix for each of `shapes`.
            x: Shape (..., n_in).
        """
        a = x
        for i, W in enumerate(weights):
            a = self.extended(a, i)
            z = a @ W.mT * self.scale(W.shape[-1])
            a = self.activate(z) if i < len(weights) - 1 else z
        return a


def signs(t: Tensor) -> Tensor:
    """1 where an entry is at least 0, otherwise -1; of the type of `t`."""
    return torch.where(t >= 0, 1.0, -1.0).to(t.dtype)
