"""What branch and bound pays for, as a term of losses: what relaxing the ReLUs adds to a state.

A box of actions is pushed through a rollout as a zonotope c + sum_k G_k e_k with every e_k in
[-1, 1] (DeepZ, Singh et al. 2018). A ReLU of l < z < u is u / (u - l) z and half the gap of its
triangle, -l u / (u - l), as a symbol of its own. Of a predicted state's radius, the sum of all
|G_k|, the part of these symbols is what splitting has to remove. It does not change when a
neuron's weights are scaled and those that read it scaled back, which penalties on the bounds of
pre-activations do. Training on what relaxations lose: arXiv 2604.22746, there for single passes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsectl.dynamics import MLPDynamics
from sparsectl.dynamics.kinds import IDENTITY, RELU, count_relus
from sparsectl.dynamics.windows import Windows

_BOXES = 8
"""Windows of a batch that get a box."""
_HALVINGS = 4.0
"""The smallest box is the largest halved so often: a search meets boxes of all sizes."""


def relaxation_gap(
    model: MLPDynamics, data: Windows, chosen: Tensor, generator: torch.Generator
) -> Tensor:
    """Mean radius that relaxed ReLUs add to the predicted states, over boxes and steps.

    Args:
        model: network; gates, while there are any, count as the kinds that they replace.
        data: windows; boxes lie in the range of their actions.
        chosen: indices of windows; the first few get a box around their actions. Shape (B,).
        generator: of the boxes' sizes.

    Returns:
        In units of the one-step change's standard deviation; differentiable in the weights.
    """
    x, u, _ = data.batch(chosen[:_BOXES])
    first = data.actions[data.starts]  # of windows: the last row of an episode is padding
    low, high = first.amin(0), first.amax(0)
    size = torch.rand(len(x), 1, 1, generator=generator, dtype=x.dtype)
    radius = (2.0 ** (-_HALVINGS * size) * (high - low) / 2).expand_as(u)
    center = torch.maximum(torch.minimum(u, high - radius), low + radius)
    _, by_neurons = radii(model, x[:, 0], center, radius)
    return (by_neurons @ model.place(1 / model.output_std)).mean() / len(model.output_std)


def radii(model: MLPDynamics, x0: Tensor, center: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Radii of the states x_1..x_H that boxes of actions reach, in two parts.

    Args:
        x0: starts. Shape (B, nx).
        center, radius: boxes of the actions. Shape (B, H, nu).

    Returns:
        What comes from the actions and what comes from relaxed ReLUs, each of shape (B, H, nx).
    """
    levels, output, offset = compact(model)
    _, horizon, nu = center.shape
    symbols = horizon * nu
    c, G = x0, x0.new_zeros(len(x0), symbols, x0.shape[1])
    own = torch.eye(symbols, dtype=x0.dtype).view(symbols, horizon, nu)
    by_actions, by_neurons = [], []
    for t in range(horizon):
        inputs = F.pad(own[:, t] * radius[:, None, t], (0, 0, 0, G.shape[1] - symbols))
        c, G = torch.cat([c, center[:, t]], 1), torch.cat([G, inputs], 2)
        for weight, bias in levels:
            c, G = _relus(c, G, weight, bias)
        c, G = c @ output.T + offset, G @ output.T
        size = G.abs()
        by_actions.append(size[:, :symbols].sum(1))
        by_neurons.append(size[:, symbols:].sum(1))
    return torch.stack(by_actions, 1), torch.stack(by_neurons, 1)


def _relus(c: Tensor, G: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Append the ReLUs of a level, and their symbols. Shapes (B, n), (B, symbols, n)."""
    z, Z = c @ weight.T + bias, G @ weight.T
    size = Z.abs().sum(1)
    low, high = z - size, z + size
    unstable = (low < 0) & (high > 0)
    slope = torch.where(unstable, high, (low >= 0).to(z)) / torch.where(unstable, 2 * size, 1.0)
    gap = torch.where(unstable, -slope * low / 2, 0.0)
    new = F.pad(torch.diag_embed(gap), (G.shape[2], 0))
    G = torch.cat([torch.cat([G, slope[:, None] * Z], 2), new], 1)
    return torch.cat([c, slope * z + gap], 1), G


def compact(model: MLPDynamics) -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor]:
    """A network as the ReLU program that `lower` makes of it, differentiable in the weights.

    Returns:
        Weights and biases of the ReLUs of every hidden layer, which read [x; u] and the ReLUs
        before; the output, shape (nx, nx + nu + m), and its offset, of x' from [x; u; z].
    """
    folded, kinds = model.fold(), model.kinds
    nx, nu = folded.G.shape
    n = nx + nu
    total = n + count_relus(model)
    E, e = torch.eye(n, total).to(folded.G), folded.G.new_zeros(n)
    levels: list[tuple[Tensor, Tensor]] = []
    place, known = torch.eye(total).to(E), n
    for (weight, bias), kind in zip(folded.layers[:-1], kinds, strict=True):
        A, a, relu = weight @ E, weight @ e + bias, kind == RELU
        levels.append((A[relu, :known], a[relu]))
        identity = (kind == IDENTITY).to(A)
        E, e = identity[:, None] * A, identity * a
        start, known = known, known + int(relu.sum())
        E[relu] = place[start:known]
    weight, bias = folded.layers[-1]
    straight = torch.cat([torch.eye(nx).to(E), folded.G], 1) + folded.skip
    return levels, weight @ E + F.pad(straight, (0, total - n)), weight @ e + bias
