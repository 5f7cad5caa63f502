"""A learner's network as a dynamics model that every planner takes.

With one-bit weights W, the step is

    x' = x + m_d + s_d * net(([x; u] - m_v) / s_v),    a_l = act(g / sqrt(n) W_l [a_{l-1}; 1])

so that all coefficients between hidden layers are +-g / sqrt(n); the first and the last layer
carry the units. What a network reads of the past is part of the state that is planned with:

    [x; d_1; u_1; ...; d_k; u_k] -> [x + d; d; u; d_1; u_1; ...; d_(k-1); u_(k-1)]
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sparsectl.continual.layers import Layers, signs
from sparsectl.continual.learner import ContinualLearner
from sparsectl.continual.stream import Layout, Scaling
from sparsectl.dynamics.base import BatchedDynamics
from sparsectl.dynamics.folded import Folded
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError, ShapeError
from sparsectl.program import ReluProgram
from sparsectl.program.algebra import add_linear
from sparsectl.program.network import lower_network


class DeployedDynamics(BatchedDynamics):
    """One step of a dynamics stream's network, in physical units; not trainable.

    Args:
        layers: shape of the network; `norm` must be `none`.
        weights: matrices of `layers.shapes`.
        scaling: units of inputs and outputs.
        layout: which of the network's numbers one body has; the others are 0. None: all.

    Attributes:
        own: entries of the body's state x.
        history: past transitions that follow x in the state, each of `own + nu` entries.
        nx: entries of the whole state.

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
        shapes, nx, nu = [tuple(W.shape) for W in weights], scaling.nx, scaling.nu
        self.history = layers.n_in // (nx + nu) - 1
        fits = layers.n_in == (1 + self.history) * (nx + nu) and self.history >= 0
        if shapes != layers.shapes or layers.n_out != nx or not fits:
            raise ShapeError(
                f"weights of shapes {shapes}, {nx} states and {nu} actions do not fit a network of "
                f"{layers.shapes}"
            )
        place = range(nx) if layout is None else layout.place
        action = range(nu) if layout is None else layout.action_place
        step = [*place, *(nx + i for i in action)]
        self.place = list(place)
        past = [k * (nx + nu) + i for k in range(1, 1 + self.history) for i in step]
        # the action of the present comes last
        self.inputs = [*place, *past, *step[len(place) :]]
        self.minus = () if layout is None else layout.minus
        self.own, self.nu, self.network = len(place), len(action), layers
        self.nx = self.own + self.history * (self.own + self.nu)
        mean, std = scaling.of_inputs(self.history)
        units = {"input_mean": mean, "input_std": std}
        units |= {"output_mean": scaling.output_mean, "output_std": scaling.output_std}
        far = torch.finfo(torch.float32).eps * mean.abs() > 1e-3 * std
        dtype = torch.float64 if far.any() else torch.float32  # see dynamics.normalise.refine
        units |= {f"weight_{i}": W for i, W in enumerate(weights)}
        for name, value in units.items():
            self.register_buffer(name, value.detach().to(dtype, copy=True))
        self.register_buffer("shift", self._shift().to(dtype))

    @property
    def weights(self) -> list[Tensor]:
        """Matrices from input to output, constants' columns last."""
        return [self.get_buffer(f"weight_{i}") for i in range(len(self.network.shapes))]

    def fold(self) -> Folded:
        """Weights with units and constants folded in."""
        layers, binary = [], self.network.config.activation == "sign"
        for i, W in enumerate(self.weights):
            n = W.shape[1] - self.network.config.constant
            # Signs do not see a scale, and sums of +-1 without one are exact.
            whole = binary and i < len(self.weights) - 1
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
        W, b = std[:, None] * W, std * b[self.place] + mean
        layers[-1] = (self._twice(W), self._twice(b))
        act = signs if binary else torch.relu
        none = W.new_zeros(self.nx, self.nu)
        return Folded(tuple(layers), none, self.get_buffer("shift"), (act,) * (len(layers) - 1))

    def _twice(self, rows: Tensor) -> Tensor:
        """Rows of the change of x as those of the change of the state: d_1 gets d as x does."""
        if not self.history:
            return rows
        more = rows.new_zeros(self.nx - 2 * self.own, *rows.shape[1:])
        return torch.cat([rows, rows, more])

    def _shift(self) -> Tensor:
        """The affine part of the change of the state: the past moves on by one step."""
        L, own, width = torch.zeros(self.nx, self.nx + self.nu), self.own, self.own + self.nu
        for i in range(own, self.nx):
            L[i, i] -= 1
            if i >= own + width:
                L[i, i - width] += 1
            elif i >= 2 * own:
                L[i, self.nx + i - 2 * own] += 1
        return L

    def _unroll(self, x: Tensor, u: Tensor) -> Tensor:
        return self.fold().rollout(x, u)


def deploy(
    learner: ContinualLearner,
    scaling: Scaling | None,
    mode: str | None = None,
    layout: Layout | None = None,
) -> DeployedDynamics:
    """Dynamics model of a learner that has met a dynamics stream.

    Args:
        learner: of a regression head.
        mode: which weights; `sign` are the deployed bits.

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
    return add_linear(change, np.eye(model.nx, model.nx + model.nu) + folded.skip.numpy())
