"""A policy that is a multilayer perceptron: an action from an observation, without memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl.checks import whole
from sparsectl.dynamics.unset import Unset
from sparsectl.errors import NonFiniteError, ShapeError

Activation = Literal["relu", "tanh"]
Output = Literal["clip", "tanh"]


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of a policy network."""

    hidden: tuple[int, ...] = (64, 64)
    """Neurons of every hidden layer."""
    activation: Activation = "relu"
    """`relu` can be verified and planned with exactly, `tanh` cannot."""
    output: Output = "clip"
    """What keeps actions in their box: `clip` is exact in a ReLU program, `tanh` (SAC) is not."""

    def __post_init__(self) -> None:
        whole(self, "policy", "[1, inf)", "hidden")


class PolicyNetwork(nn.Module):
    """u = clip(middle + half * net((o - mean) / scale), low, high), in float64.

    With the output `tanh`, u = middle + half * tanh(net((o - mean) / scale)).

    `middle` and `half` are those of the action box, so that the net's outputs are of order one.
    Levels, rates and blocks are the task's: whoever applies the action admits it first, see
    `Task.admit`.

    Args:
        observation_size: numbers in a flat observation.
        u_low, u_high: action box, finite. Shape (nu,).
        seed: of the weights, which start as PyTorch's linear layers do.
    """

    mean: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(
        self,
        config: NetworkConfig,
        observation_size: int,
        u_low: np.ndarray,
        u_high: np.ndarray,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.observation_size, self.nu = config, observation_size, len(u_low)
        for name, value in (("low", u_low), ("high", u_high)):
            self.register_buffer(name, torch.as_tensor(np.asarray(value, dtype=np.float64)))
        if not (torch.isfinite(self.low) & torch.isfinite(self.high)).all():
            raise NonFiniteError("a policy network needs a finite action box")
        self.register_buffer("mean", torch.zeros(observation_size, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(observation_size, dtype=torch.float64))
        draw = torch.Generator().manual_seed(seed)
        sizes = [observation_size, *config.hidden, self.nu]
        self.layers = nn.ModuleList(_layer(*pair, draw) for pair in pairwise(sizes))

    @property
    def linears(self) -> list[nn.Linear]:
        """Layers from input to output."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def normalise(self, observations: np.ndarray) -> None:
        """Set mean and scale to those of observations. Shape (n, observation_size), n >= 2.

        Entries that do not change keep scale 1.
        """
        rows = torch.as_tensor(np.asarray(observations, dtype=np.float64))
        std = rows.std(0)
        self.mean.copy_(rows.mean(0))
        self.scale.copy_(torch.where(std > 1e-9 * (1 + self.mean.abs()), std, torch.ones(())))

    def forward(self, observation: Tensor) -> Tensor:
        """Actions (..., nu) of observations (..., observation_size)."""
        return torch.minimum(torch.maximum(self.unclipped(observation), self.low), self.high)

    def unclipped(self, observation: Tensor) -> Tensor:
        """The same before the clip, through which no gradient passes."""
        x = self.linears[-1](self.features(observation))
        if self.config.output == "tanh":
            x = torch.tanh(x)
        return (self.low + self.high) / 2 + (self.high - self.low) / 2 * x

    def features(self, observation: Tensor) -> Tensor:
        """Last hidden layer (..., neurons) of observations (..., observation_size)."""
        x = (observation - self.mean) / self.scale
        activation = torch.relu if self.config.activation == "relu" else torch.tanh
        for layer in self.linears[:-1]:
            x = activation(layer(x))
        return x

    @torch.no_grad()
    def arrays(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Layers (W, b) from raw observations to unclipped actions; the scales are folded in.

        With the output `tanh` to what that is applied to, in units of the action box.
        """
        pairs = [(layer.weight.numpy().copy(), layer.bias.numpy().copy()) for layer in self.linears]
        W, b = pairs[0]
        pairs[0] = (W / self.scale.numpy(), b - W @ (self.mean / self.scale).numpy())
        if self.config.output == "tanh":
            return pairs
        W, b = pairs[-1]
        low, high = self.low.numpy(), self.high.numpy()
        half = (high - low) / 2
        pairs[-1] = (half[:, None] * W, half * b + (low + high) / 2)
        return pairs


class NetworkPolicy:
    """A network behind Stable-Baselines3's `predict`, in numpy: microseconds a decision.

    Args:
        network: its weights are copied.
    """

    def __init__(self, network: PolicyNetwork) -> None:
        self.observation_size, self.nu = network.observation_size, network.nu
        self._layers = network.arrays()
        self._relu = network.config.activation == "relu"
        self._squashed = network.config.output == "tanh"
        self._low, self._high = network.low.numpy().copy(), network.high.numpy().copy()

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Actions. Shapes (..., observation_size) -> (..., nu).

        Raises:
            ShapeError: an observation of another size.
        """
        x = np.asarray(observation, dtype=np.float64)
        if x.shape[-1:] != (self.observation_size,):
            raise ShapeError(
                f"observation has shape {x.shape}, the policy is for (..., {self.observation_size})"
            )
        for W, b in self._layers[:-1]:
            a = x @ W.T + b
            x = np.maximum(a, 0.0) if self._relu else np.tanh(a)
        W, b = self._layers[-1]
        y = x @ W.T + b
        if self._squashed:
            y = (self._low + self._high) / 2 + (self._high - self._low) / 2 * np.tanh(y)
        return np.clip(y, self._low, self._high)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[np.ndarray, None]:
        """Actions, and no hidden state; nothing is drawn."""
        return self(observation), None


def _layer(inputs: int, outputs: int, draw: torch.Generator) -> nn.Linear:
    layer = Unset(inputs, outputs, dtype=torch.float64)
    bound = inputs**-0.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=draw)
    return layer


def from_arrays(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    u_low: np.ndarray,
    u_high: np.ndarray,
    activation: Activation = "relu",
    output: Output = "clip",
) -> PolicyNetwork:
    """A policy network of given layers, from raw observations to actions in their own units.

    Args:
        layers: (W, b) of shapes (n_l, n_{l-1}) and (n_l,); as `PolicyNetwork.arrays` gives them.
        u_low, u_high: action box; entries of width zero are refused. Shape (nu,).

    Raises:
        ShapeError: layers that do not fit each other or the box.
    """
    pairs = [(np.asarray(W, dtype=np.float64), np.asarray(b, dtype=np.float64)) for W, b in layers]
    low, high = np.asarray(u_low, dtype=np.float64), np.asarray(u_high, dtype=np.float64)
    half = (high - low) / 2
    if not (half > 0).all():
        raise ShapeError(f"action box from {low.tolist()} to {high.tolist()} has no width")
    if not pairs or len(pairs[-1][1]) != len(low):
        raise ShapeError(f"the last layer gives another number of actions than {len(low)}")
    width = pairs[0][0].shape[-1]
    for i, (W, b) in enumerate(pairs):
        if W.ndim != 2 or W.shape[1] != width or b.shape != W.shape[:1]:
            raise ShapeError(
                f"layer {i} has weights of shape {W.shape} and biases of shape {b.shape}, "
                f"expected (n, {width}) and (n,)"
            )
        width = len(W)
    config = NetworkConfig(tuple(len(b) for _, b in pairs[:-1]), activation, output)
    network = PolicyNetwork(config, pairs[0][0].shape[1], low, high)
    if output == "clip":
        W, b = pairs[-1]
        pairs[-1] = (W / half[:, None], (b - (low + high) / 2) / half)
    with torch.no_grad():
        for layer, (W, b) in zip(network.linears, pairs, strict=True):
            layer.weight.copy_(torch.as_tensor(W))
            layer.bias.copy_(torch.as_tensor(b))
    return network
