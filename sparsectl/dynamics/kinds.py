"""What a hidden neuron does: nothing, max(0, z), or z.

A network with neurons that may be of any kind offers

- `kinds`: for every hidden layer an int8 buffer of shape (width,), part of its state dict;
- `gates`: None, or for every hidden layer a function of the pre-activations (..., width) that
  stands in for the kinds while they are being chosen, or looks on;
- `outgoing(i)`: the linear layers, with a bias, that read hidden layer i.

`Gated` says so; whatever chooses kinds needs nothing else of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn

from sparsectl.errors import ShapeError

ZERO, RELU, IDENTITY = 0, 1, 2
Activation: TypeAlias = Callable[[Tensor], Tensor]


class Gated(Protocol):
    """A model whose hidden neurons have kinds."""

    gates: Sequence[Activation] | None

    @property
    def kinds(self) -> list[Tensor]:
        """Kinds of the neurons, by hidden layer."""

    def outgoing(self, layer: int) -> Sequence[nn.Linear]:
        """Linear layers that read a hidden layer."""


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


def activation(kinds: Tensor, gate: Activation | None = None) -> Activation:
    """Function of pre-activations (..., width).

    Zero neurons are left to the next layer, whose columns `incoming` clears: that is done once,
    this is done at every step.
    """
    if gate is not None:
        return gate
    if not (kinds == IDENTITY).any():
        return torch.relu
    floor = torch.where(kinds == IDENTITY, -torch.inf, 0.0)
    return lambda pre: torch.maximum(pre, floor.to(pre.dtype))


def hard(kinds: Tensor) -> Activation:
    """As `activation`, with zero neurons cleared: for use as a gate."""
    act, alive = activation(kinds), kinds != ZERO
    return act if bool(alive.all()) else lambda pre: act(pre) * alive.to(pre.dtype)


def blend(relu: Tensor, identity: Tensor) -> Activation:
    """Gate relu max(0, z) + identity z, of weights of shape (width,)."""
    return lambda pre: relu * pre.relu() + identity * pre


def incoming(weight: Tensor, kinds: Tensor, gate: Activation | None = None) -> Tensor:
    """Weights of the layer after neurons of these kinds. Shape (outputs, width)."""
    if gate is not None or not (kinds == ZERO).any():
        return weight
    return weight * (kinds != ZERO).to(weight.dtype)
