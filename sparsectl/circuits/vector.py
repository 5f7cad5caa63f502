"""Policies as vectors of parameters, and populations of them in one call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sparsectl.circuits.base import MotorPolicy
from sparsectl.errors import NonFiniteError, ShapeError

Population = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def flatten(module: nn.Module) -> Tensor:
    """A copy of all parameters, in the order of `parameters()`. Shape (n,)."""
    parts = [p.detach().reshape(-1) for p in module.parameters()]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def load(module: nn.Module, vector: Tensor) -> None:
    """Set all parameters from a vector. Shape (n,).

    Raises:
        ShapeError: another number of parameters.
        NonFiniteError: a NaN or infinity.
    """
    values = torch.as_tensor(vector)
    count = sum(p.numel() for p in module.parameters())
    if values.shape != (count,):
        raise ShapeError(
            f"a vector of shape {tuple(values.shape)}, expected ({count},): the policy has {count} "
            "parameters; was the vector made for another configuration or number of joints?"
        )
    if not torch.isfinite(values).all():
        raise NonFiniteError("the vector of parameters holds a NaN or infinity")
    start = 0
    with torch.no_grad():
        for parameter in module.parameters():
            part = values[start : start + parameter.numel()]
            parameter.copy_(part.reshape(parameter.shape))
            start += parameter.numel()


def population(module: nn.Module) -> Population:
    """One step of many parameter vectors at once.

    Our policies broadcast over stacked vectors; any other module of the same `forward` runs under
    `torch.func.vmap`, with the same result.

    Args:
        module: policy; its own parameters are not used.

    Returns:
        Function of vectors (P, n), observations (P, ..., observation_size) and states
        (P, ..., state_size), giving actions (P, ..., joints) and the next states.
    """
    return _broadcast(module) if isinstance(module, MotorPolicy) else vectorised(module)


def vectorised(module: nn.Module) -> Population:
    """`population` of any module, by `torch.func.functional_call` and `torch.func.vmap`."""
    named = {name: p.shape for name, p in module.named_parameters()}

    def one(vector: Tensor, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        parts = vector.split([shape.numel() for shape in named.values()])
        given = {n: part.reshape(s) for (n, s), part in zip(named.items(), parts, strict=True)}
        return functional_call(module, given, (observation, state))

    return vmap(one)


def _broadcast(module: MotorPolicy) -> Population:
    count = module.count

    def step(vectors: Tensor, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        if vectors.ndim != 2 or vectors.shape[1] != count:
            raise ShapeError(
                f"parameter vectors of shape {tuple(vectors.shape)}, expected (P, {count})"
            )
        if observation.shape[0] != vectors.shape[0]:
            raise ShapeError(
                f"{vectors.shape[0]} parameter vectors and observations of shape "
                f"{tuple(observation.shape)}, expected ({vectors.shape[0]}, ..., "
                f"{module.body.size})"
            )
        module.check(observation)
        between = (1,) * (observation.ndim - 2)
        return module.act(vectors.unflatten(0, (-1, *between)), observation, state)

    return step
