"""The network all learners share: fully connected, no real-valued biases, fields over sqrt(n)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sparsectl.errors import ConfigError


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

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise ConfigError(f"network hidden: widths must be positive, got {list(self.hidden)}")
        if self.constant < 0 or not self.gain > 0:
            raise ConfigError(
                f"network: constant is {self.constant} and gain {self.gain}, expected at least 0 "
                "and more than 0"
            )


@dataclass(frozen=True)
class Layers:
    """Forward pass with weights that are given from outside.

    Attributes:
        config: see `NetworkConfig`.
        n_in, n_out: sizes of the input and of the output.
    """

    config: NetworkConfig
    n_in: int
    n_out: int

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """(outputs, inputs with constants) of every weight matrix."""
        sizes = [self.n_in, *self.config.hidden, self.n_out]
        return [(b, a + self.config.constant) for a, b in itertools.pairwise(sizes)]

    def extended(self, a: Tensor) -> Tensor:
        """Activations with the constants appended. Shape (..., n) -> (..., n + constant)."""
        if not self.config.constant:
            return a
        return torch.cat([a, a.new_ones(*a.shape[:-1], self.config.constant)], dim=-1)

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
        signs = torch.where(z >= 0, 1.0, -1.0).to(z.dtype)
        return clipped + (signs - clipped).detach()

    def __call__(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """Fields of the last layer.

        Args:
            weights: one matrix for each of `shapes`.
            x: Shape (..., n_in).

        Returns:
            Shape (..., n_out).
        """
        a = x
        for i, W in enumerate(weights):
            a = self.extended(a)
            z = a @ W.mT * self.scale(W.shape[-1])
            a = self.activate(z) if i < len(weights) - 1 else z
        return a
