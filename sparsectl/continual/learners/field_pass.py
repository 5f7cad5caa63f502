"""Gaussian fields of a network with random one-bit weights: forward, and backward by hand.

A neuron's field is a sum of many independent weights, so Gaussian: its mean and variance take
one matrix product each, and one noise number per neuron and example replaces a draw of all
weights (Li et al., Phys. Rev. E 108, 014309, 2023; the local reparameterisation of Kingma et
al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers, signs

_NORM_EPSILON = 1e-5
"""Added to a layer's variance, as torch's layer_norm does."""


@dataclass(frozen=True)
class LayerTrace:
    """What the backward pass needs of a layer.

    Attributes:
        inputs, squares: a and a^2 with the constants. Shape (n, fan-in).
        ratio: noise / standard deviation of the fields, 0 where that is 0. Shape (n, neurons).
        fields: z of the neurons, normalised with `norm: layer`. Shape (n, neurons).
        spread: standard deviation of z over the layer with `norm: layer`. Shape (n, 1).
    """

    inputs: Tensor
    squares: Tensor
    ratio: Tensor
    fields: Tensor
    spread: Tensor | None


def forward(
    layers: Layers,
    means: Sequence[Tensor],
    variances: Sequence[Tensor],
    x: Tensor,
    generator: torch.Generator | None,
) -> tuple[Tensor, list[LayerTrace]]:
    """One stochastic pass, noise in the last layer too.

    z = gain * sum_j mean_j a_j / sqrt(n) + noise * v, v^2 = gain^2 * sum_j variance_j a_j^2 / n.

    Args:
        means, variances: of every weight; one matrix for each of `layers.shapes`.
        x: Shape (n, n_in).

    Returns:
        Fields of the last layer (n, n_out), and a trace of every layer.
    """
    traces = []
    a, last = x, len(means) - 1
    for i, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        a = layers.extended(a, i)
        squares, scale = a.square(), layers.scale(mean.shape[1])
        z = (a * scale) @ mean.T
        v = ((squares * scale**2) @ variance.T).sqrt_()
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype)
        z.addcmul_(noise, v)
        ratio = torch.where(v > 0, noise / v, 0.0)
        spread = None
        if i < last and layers.config.norm == "layer":
            centred = z - z.mean(-1, keepdim=True)
            spread = (centred.square().mean(-1, keepdim=True) + _NORM_EPSILON).sqrt_()
            z = centred.div_(spread)
        traces.append(LayerTrace(a, squares, ratio, z, spread))
        if i < last:
            a = z.relu() if layers.config.activation == "relu" else signs(z)
    return z, traces


def output_error(head: Head, z: Tensor, targets: Tensor) -> Tensor:
    """Gradient of each example's loss with respect to its fields z. Shape (n, outputs)."""
    if head.kind == "regression":
        return (z - targets).div_(head.noise**2)
    error = z.softmax(-1)
    error[torch.arange(len(z)), targets] -= 1
    return error


def backward(
    layers: Layers,
    means: Sequence[Tensor],
    variances: Sequence[Tensor],
    traces: Sequence[LayerTrace],
    error: Tensor,
) -> list[Tensor]:
    """Gradients of the loss with respect to the weights' fields u, over the weights' variances.

    With K the error of a layer's fields z, d loss / du = variance * slope where
    slope_ij = sum_batch K_i (scale a_j - scale^2 noise_i mean_ij a_j^2 / v_i), and the error
    sent to a_j is sum_i K_i (scale mean_ij + scale^2 noise_i variance_ij a_j / v_i). The
    gradient of a sign activation is that of a clipped identity, as in `Layers.activate`.

    Args:
        layers, means, variances: as in `forward`.
        traces: from `forward`.
        error: Shape (n, n_out), see `output_error`.

    Returns:
        The slopes, one matrix for each layer, summed over the batch.
    """
    slopes: list[Tensor] = []
    for i in reversed(range(len(means))):
        trace, scale = traces[i], layers.scale(means[i].shape[1])
        direct = error * scale
        noisy = (error * trace.ratio).mul_(scale**2)
        slope = direct.T @ trace.inputs
        slope.addcmul_(means[i], noisy.T @ trace.squares, value=-1)
        slopes.append(slope)
        if i > 0:
            back = (noisy @ variances[i]).mul_(trace.inputs).addmm_(direct, means[i])
            error = _through(layers, back[:, : means[i - 1].shape[0]], traces[i - 1])
    return slopes[::-1]


def _through(layers: Layers, error: Tensor, trace: LayerTrace) -> Tensor:
    """Error of a hidden layer's fields from that of its activations."""
    z = trace.fields
    open_ = z > 0 if layers.config.activation == "relu" else z.abs() <= 1
    error = error * open_
    if trace.spread is None:
        return error
    along = (error * z).mean(-1, keepdim=True)
    return (error - error.mean(-1, keepdim=True)).addcmul_(z, along, value=-1).div_(trace.spread)
