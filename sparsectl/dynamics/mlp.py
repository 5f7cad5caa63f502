"""ReLU multilayer perceptron: residual, normalised, with known structure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl.dynamics.base import BatchedDynamics
from sparsectl.dynamics.folded import Folded
from sparsectl.dynamics.kinds import RELU, Activation, activation, incoming
from sparsectl.dynamics.mlp_config import MLPConfig
from sparsectl.dynamics.structure import resolve
from sparsectl.errors import ShapeError


class MLPDynamics(BatchedDynamics):
    """One ReLU network; `x' = x + G u + P (mean_d + std_d * (net(w) + L w))`.

    w = (v - mean_v) / std_v, where v = [S x; u] is the structured view of the state and the
    action; L is the affine path; P places the predicted entries. The normaliser and the kinds of
    the hidden neurons are part of the state dict; without kinds in it, all are ReLUs.

    Attributes:
        config: as built.
        names: slice of the state by part.
        structure: resolved structure.
        gates: what replaces the kinds while they are being chosen, see `dynamics.kinds`.
    """

    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor
    _S: Tensor
    _P: Tensor
    _G: Tensor

    def __init__(
        self, config: MLPConfig, names: Mapping[str, slice], nx: int, nu: int, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config, self.names, self.nx, self.nu = config, dict(names), nx, nu
        self.structure = resolve(config.structure, names, nx, nu)
        ns, nd = len(self.structure.S), len(self.structure.predicted)
        sizes = [ns + nu, *config.hidden, nd]
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, a, b, device=torch.get_default_device())
            for a, b in itertools.pairwise(sizes)
        )
        self.skip: nn.Linear | None = None
        if config.skip and config.hidden:
            device = torch.get_default_device()
            self.skip = nn.utils.skip_init(nn.Linear, ns + nu, nd, bias=False, device=device)
        self._initialise(torch.Generator().manual_seed(seed))
        self.gates: Sequence[Activation] | None = None
        for i, width in enumerate(config.hidden):
            kinds = torch.full((width,), RELU, dtype=torch.int8)
            self.register_buffer(f"kinds_{i}", kinds)
        for name, size in (("input", ns + nu), ("output", nd)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
        P = np.eye(nx)[self.structure.predicted]
        for name, value in (("_S", self.structure.S), ("_P", P), ("_G", self.structure.G)):
            array = torch.tensor(value, dtype=torch.float32)
            self.register_buffer(name, array, persistent=False)

    @property
    def linears(self) -> list[nn.Linear]:
        """Layers from input to output."""
        return [cast(nn.Linear, layer) for layer in self.layers]

    @property
    def kinds(self) -> list[Tensor]:
        """Kinds of the neurons (see `dynamics.kinds`), an int8 buffer for every hidden layer."""
        return [self.get_buffer(f"kinds_{i}") for i in range(len(self.config.hidden))]

    def outgoing(self, layer: int) -> Sequence[nn.Linear]:
        """The linear layer that reads a hidden layer."""
        return self.linears[layer + 1 : layer + 2]

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        """Models were saved without kinds once."""
        for i, kinds in enumerate(self.kinds):
            state_dict.setdefault(f"{prefix}kinds_{i}", torch.full_like(kinds, RELU))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _initialise(self, generator: torch.Generator) -> None:
        """He initialisation; a small last layer, so that training starts near no motion."""
        for layer in self.linears:
            if layer.weight.is_meta:
                return
            scale = 0.1 if layer is self.layers[-1] else 2**0.5
            with torch.no_grad():
                std = scale / layer.in_features**0.5
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * std)
                layer.bias.zero_()
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)

    @torch.no_grad()
    def set_normalizer(
        self, mean_v: np.ndarray, std_v: np.ndarray, mean_d: np.ndarray, std_d: np.ndarray
    ) -> None:
        """Set means and standard deviations of [S x; u] (ns + nu,) and of the change (nd,)."""
        pairs = (
            (self.input_mean, mean_v),
            (self.input_std, std_v),
            (self.output_mean, mean_d),
            (self.output_std, std_d),
        )
        for buffer, value in pairs:
            if buffer.shape != np.shape(value):
                raise ShapeError(f"normaliser of shape {np.shape(value)}, expected {buffer.shape}")
            buffer.copy_(torch.as_tensor(np.asarray(value)))

    def place(self, values: Tensor) -> Tensor:
        """Values of the predicted entries at their places in the state, else 0.

        Shape (..., nd) -> (..., nx).
        """
        return values @ self._P

    def fold(self) -> Folded:
        """Weights with normalisation and structure folded in; differentiable."""
        ns = self._S.shape[0]
        linears = self.linears
        W = linears[0].weight / self.input_std
        b = linears[0].bias - W @ self.input_mean
        layers: list[tuple[Tensor, Tensor]]
        layers = [(torch.cat([W[:, :ns] @ self._S, W[:, ns:]], dim=1), b)]
        gates = [None] * len(self.kinds) if self.gates is None else self.gates
        pairs = list(zip(self.kinds, gates, strict=True))
        layers += [
            (incoming(layer.weight, *pair), layer.bias)
            for layer, pair in zip(linears[1:], pairs, strict=True)
        ]
        W, b = layers[-1]
        scale = self._P.T * self.output_std
        offset = scale @ b + self._P.T @ self.output_mean
        skip = scale.new_zeros(self.nx, self.nx + self.nu)
        if self.skip is not None:
            L = self.skip.weight / self.input_std
            offset = offset - scale @ (L @ self.input_mean)
            skip = scale @ torch.cat([L[:, :ns] @ self._S, L[:, ns:]], dim=1)
        layers[-1] = (scale @ W, offset)
        return Folded(tuple(layers), self._G, skip, tuple(activation(*pair) for pair in pairs))

    def _unroll(self, x: Tensor, u: Tensor) -> Tensor:
        return self.fold().rollout(x, u)
