"""What a hidden neuron does: nothing, max(0, z), or z.

A network with neurons that may be of any kind offers

- `kinds`: for every hidden layer an int8 buffer of shape (width,), part of its state dict;
- `gates`: None, or for every hidden layer what replaces the kinds while they are being chosen.

`Gated` says so; whatever chooses kinds needs nothing else of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from sparsectl.errors import ShapeError

ZERO, RELU, IDENTITY = 0, 1, 2
Gate: TypeAlias = tuple[Tensor, Tensor]
"""Weights g, i of a layer's neurons, which then are g max(0, z) + i z. Shape (width,) each."""
Activation: TypeAlias = Callable[[Tensor], Tensor]


class Gated(Protocol):
    """A model whose hidden neurons have kinds."""

    gates: Sequence[Gate] | None

    @property
    def kinds(self) -> list[Tensor]:
        """Kinds of the neurons, by hidden layer."""


def count_relus(model: Gated) -> int:
    """Neurons that are ReLUs, each counted once where weights are shared."""
    return sum(int((kind == RELU).sum()) for kind in model.kinds)


@torch.no_grad()
def set_kinds(model: Gated, kinds: Sequence[Tensor]) -> None:
    """Replace the kinds of all hidden layers, in place.

    Raises:
        ShapeError: other layers or widths, or a value that is no kind.
    """
    found, expected = [tuple(k.shape) for k in kinds], [tuple(k.shape) for k in model.kinds]
    if found != expected:
        raise ShapeError(f"kinds of shapes {found}, the model's layers have {expected}")
    for buffer, kind in zip(model.kinds, kinds, strict=True):
        if not torch.isin(kind, torch.tensor([ZERO, RELU, IDENTITY], device=kind.device)).all():
            raise ShapeError("kinds are 0 (zero), 1 (ReLU) and 2 (identity)")
        buffer.copy_(kind)


def activation(kinds: Tensor, gate: Gate | None = None) -> Activation:
    """Function of pre-activations (..., width).

    Zero neurons are left to the next layer, whose columns `incoming` clears: that is done once,
    this is done at every step.
    """
    if gate is not None:
        return lambda pre: gate[0] * pre.relu() + gate[1] * pre
    if not (kinds == IDENTITY).any():
        return torch.relu
    floor = torch.where(kinds == IDENTITY, -torch.inf, 0.0)
    return lambda pre: torch.maximum(pre, floor.to(pre.dtype))


def incoming(weight: Tensor, kinds: Tensor, gate: Gate | None = None) -> Tensor:
    """Weights of the layer after neurons of these kinds. Shape (outputs, width)."""
    if gate is not None or not (kinds == ZERO).any():
        return weight
    return weight * (kinds != ZERO).to(weight.dtype)
