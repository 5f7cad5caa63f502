"""ReLU multilayer perceptron: residual, normalised, with known structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl.dynamics.folded import Folded
from sparsectl.dynamics.gated import GatedDynamics, cleared, initialise, linears, network
from sparsectl.dynamics.kinds import activation
from sparsectl.dynamics.mlp_config import MLPConfig
from sparsectl.dynamics.structure import resolve
from sparsectl.dynamics.unset import Unset
from sparsectl.errors import ShapeError


class MLPDynamics(GatedDynamics):
    """One ReLU network; `x' = x + G u + K [x; u] + P (mean_d + std_d * (net(w) + L w))`.

    w = (v - mean_v) / std_v, where v = [S x; u] is the structured view of the state and the
    action; L is the affine path; P places the predicted entries. The normaliser and the kinds of
    the hidden neurons are part of the state dict; without kinds in it, all are ReLUs.
    """

    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor
    _S: Tensor
    _P: Tensor
    _G: Tensor
    _K: Tensor

    def __init__(
        self, config: MLPConfig, names: Mapping[str, slice], nx: int, nu: int, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config, self.names, self.nx, self.nu = config, dict(names), nx, nu
        self.structure = resolve(config.structure, names, nx, nu)
        ns, nd = len(self.structure.S), len(self.structure.predicted)
        sizes = [ns + nu, *config.hidden, nd]
        self.layers = network(sizes)
        with_skip = config.skip and bool(config.hidden)
        self.skip = Unset(ns + nu, nd, bias=False) if with_skip else None
        initialise([self.layers], [self.skip], seed)
        constants = {
            "_S": self.structure.S,
            "_P": np.eye(nx)[self.structure.predicted],
            "_G": self.structure.G,
            "_K": self.structure.K,
        }
        self._register(config.hidden, {"input": ns + nu, "output": nd}, constants)

    @property
    def linears(self) -> list[nn.Linear]:
        """Layers from input to output."""
        return linears(self.layers)

    def outgoing(self, layer: int) -> Sequence[nn.Linear]:
        """The linear layer that reads a hidden layer."""
        return self.linears[layer + 1 : layer + 2]

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
        pairs = self.kinds_and_gates
        (W, b), *rest = cleared(self.linears, pairs)
        W = W / self.input_std
        b = b - W @ self.input_mean
        layers = [(torch.cat([W[:, :ns] @ self._S, W[:, ns:]], dim=1), b), *rest]
        W, b = layers[-1]
        scale = self._P.T * self.output_std
        offset = scale @ b + self._P.T @ self.output_mean
        skip = self._K
        if self.skip is not None:
            L = self.skip.weight / self.input_std
            offset = offset - scale @ (L @ self.input_mean)
            skip = skip + scale @ torch.cat([L[:, :ns] @ self._S, L[:, ns:]], dim=1)
        layers[-1] = (scale @ W, offset)
        return Folded(tuple(layers), self._G, skip, tuple(activation(*pair) for pair in pairs))

    def _unroll(self, x: Tensor, u: Tensor) -> Tensor:
        return self.fold().rollout(x, u)
