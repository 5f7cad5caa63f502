"""A learner's network as a dynamics model that every planner takes.

With one-bit weights W, the step is

    x' = x + m_d + s_d * net(([x; u] - m_v) / s_v),    a_l = act(g / sqrt(n) W_l [a_{l-1}; 1])

so that all coefficients between hidden layers are +-g / sqrt(n); the first and the last layer
carry the units.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sparsectl.continual.layers import Layers
from sparsectl.continual.learner import ContinualLearner
from sparsectl.continual.stream import Layout, Scaling
from sparsectl.dynamics.base import BatchedDynamics
from sparsectl.dynamics.folded import Folded
from sparsectl.errors import ConfigError, ShapeError
from sparsectl.program import ReluProgram
from sparsectl.program.algebra import add_linear
from sparsectl.program.lower import lower
from sparsectl.program.network import lower_network


class DeployedDynamics(BatchedDynamics):
    """One step of a dynamics stream's network, in physical units; not trainable.

    Args:
        layers: shape of the network; `norm` must be `none`.
        weights: matrices of `layers.shapes`.
        scaling: units of inputs and outputs.
        layout: which of the network's numbers one body has; the others are 0. None: all.

    Raises:
        ConfigError: a network with normalised fields, which is not piecewise affine.
        ShapeError: sizes that do not fit.
    """

    def __init__(
        self,
        layers: Layers,
        weights: Sequence[Tensor],
        scaling: Scaling,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        if layers.config.norm != "none":
            raise ConfigError(
                f"network norm is '{layers.config.norm}': only 'none' can be planned with exactly"
            )
        shapes = [tuple(W.shape) for W in weights]
        nx = len(scaling.output_mean)
        if layers.n_in > len(scaling.input_mean):
            raise ConfigError(
                f"the network reads {layers.n_in} inputs, {len(scaling.input_mean)} of them state "
                "and action: one that reads a history cannot be planned with; learn with history: 0"
            )
        if shapes != layers.shapes or layers.n_out != nx or layers.n_in <= nx:
            raise ShapeError(
                f"weights of shapes {shapes} and {nx} states do not fit a network of "
                f"{layers.shapes}"
            )
        place = range(nx) if layout is None else layout.place
        action = range(layers.n_in - nx) if layout is None else layout.action_place
        self.place, self.inputs = list(place), [*place, *(nx + i for i in action)]
        self.minus = () if layout is None else layout.minus
        self.nx, self.nu, self.network = len(place), len(action), layers
        for i, W in enumerate(weights):
            self.register_buffer(f"weight_{i}", W.detach().float().clone())
        for name in ("input_mean", "input_std", "output_mean", "output_std"):
            self.register_buffer(name, getattr(scaling, name).detach().float().clone())

    @property
    def weights(self) -> list[Tensor]:
        """Matrices from input to output, constants' columns last."""
        return [self.get_buffer(f"weight_{i}") for i in range(len(self.network.shapes))]

    def fold(self) -> Folded:
        """Weights with units and constants folded in."""
        layers, signs = [], self.network.config.activation == "sign"
        for i, W in enumerate(self.weights):
            n = W.shape[1] - self.network.config.constant
            # Signs do not see a scale, and sums of +-1 without one are exact.
            whole = signs and i < len(self.weights) - 1
            scaled = W if whole else W * self.network.scale(W.shape[1])
            copies = self.network.config.copies if i == 0 else 1
            joined = scaled[:, :n].unflatten(1, (copies, -1)).sum(1)
            layers.append((joined, scaled[:, n:].sum(1)))
        W, b = layers[0]
        W = W / self.get_buffer("input_std")
        b = b - W @ self.get_buffer("input_mean")
        for i, j in self.minus:
            W[:, j] -= W[:, i]
        layers[0] = (W[:, self.inputs], b)
        W, b = layers[-1]
        W, std = W[self.place], self.get_buffer("output_std")[self.place]
        mean = self.get_buffer("output_mean")[self.place]
        layers[-1] = (std[:, None] * W, std * b[self.place] + mean)
        none = W.new_zeros(self.nx, self.nx + self.nu)
        act = _sign if signs else torch.relu
        return Folded(tuple(layers), none[:, self.nx :], none, (act,) * (len(layers) - 1))

    def _unroll(self, x: Tensor, u: Tensor) -> Tensor:
        return self.fold().rollout(x, u)


def _sign(z: Tensor) -> Tensor:
    return torch.where(z >= 0, 1.0, -1.0).to(z.dtype)


def deploy(
    learner: ContinualLearner,
    scaling: Scaling | None,
    mode: str | None = None,
    layout: Layout | None = None,
) -> DeployedDynamics:
    """Dynamics model of a learner that has met a dynamics stream.

    Args:
        learner: of a regression head.
        scaling: the stream's.
        mode: which weights; `sign` are the deployed bits.
        layout: of the body, see `DeployedDynamics`.

    Raises:
        ConfigError: a classifier, no scaling, or an unknown mode.
        ShapeError: see `DeployedDynamics`.
    """
    if learner.head.kind != "regression" or scaling is None:
        raise ConfigError("only a learner of a dynamics stream can be planned with")
    weights = learner.weights(learner.checked_mode(mode))
    return DeployedDynamics(learner.layers, weights, scaling, layout)


@lower.register
def _(model: DeployedDynamics) -> ReluProgram:
    """One step in float64; signs are step neurons of the program."""
    with torch.no_grad():
        folded = copy.deepcopy(model).double().fold()
    layers = [(W.numpy(), b.numpy()) for W, b in folded.layers]
    change = lower_network(layers, model.network.config.activation)
    return add_linear(change, np.eye(model.nx, model.nx + model.nu))
