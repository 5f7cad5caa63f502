"""Gradients of every example at once, as the factors they are products of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers


def forward(
    layers: Layers, weights: Sequence[Tensor], x: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs, with constants and scale, and fields of every layer.

    Returns:
        a_l, Shape (n, inputs of layer l), and z_l = a_l W_l^T, Shape (n, outputs of layer l).
    """
    inputs, fields, a = [], [], x
    for i, W in enumerate(weights):
        a = layers.extended(a, i) * layers.scale(W.shape[1])
        z = a @ W.mT
        inputs.append(a)
        fields.append(z)
        a = layers.activate(z) if i < len(weights) - 1 else z
    return inputs, fields


def errors(losses: Tensor, fields: Sequence[Tensor], keep: bool = False) -> list[Tensor]:
    """Derivatives of each example's loss by its fields, Shape (n, outputs of layer l).

    Args:
        losses: Shape (n,); the examples do not depend on each other.
        fields: of every layer.
        keep: the graph is needed once more.
    """
    return list(torch.autograd.grad(losses.sum(), list(fields), retain_graph=keep))


def mean_gradients(deltas: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of the mean loss: example i's is the outer product of delta_i and a_i."""
    return [d.mT @ a.detach() / len(a) for d, a in zip(deltas, inputs, strict=True)]


def mean_squares(deltas: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Means over examples of the squares of their gradients: the Fisher information's diagonal."""
    return [
        d.square().mT @ a.detach().square() / len(a) for d, a in zip(deltas, inputs, strict=True)
    ]


def drawn(head: Head, z: Tensor, generator: torch.Generator) -> Tensor:
    """Targets drawn from the network's own prediction, for fields z of shape (n, outputs)."""
    z = z.detach()
    if head.kind == "classification":
        return torch.multinomial(z.softmax(-1), 1, generator=generator).squeeze(-1)
    return z + head.noise * torch.randn(z.shape, generator=generator)
