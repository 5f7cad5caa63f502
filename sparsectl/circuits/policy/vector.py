"""Policies as vectors of parameters, and populations of them in one call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.errors import NonFiniteError, ShapeError

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


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


class Population:
    """One step of many parameter vectors at once.

    Our policies broadcast over stacked vectors; any other module of the same `forward` runs under
    `torch.func.vmap`, with the same result.

    Args:
        module: policy; its own parameters are not used.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._count = sum(p.numel() for p in module.parameters())

    def __call__(
        self, vectors: Tensor, observation: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            vectors: parameters of each member. Shape (P, n).
            observation: shape (P, ..., observation_size).
            state: shape (P, ..., state_size).

        Returns:
            Actions (P, ..., joints) and the next states (P, ..., state_size).

        Raises:
            ShapeError: vectors of another policy, or an observation of another body or population.
        """
        return self.bind(vectors)(observation, state)

    def bind(self, vectors: Tensor) -> Step:
        """The step of fixed members, faster where it is called again and again.

        Later changes of the vectors in place may or may not be seen.

        Args:
            vectors: shape (P, n).

        Returns:
            Function of observation and state, as of a call.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self._count:
            raise ShapeError(
                f"parameter vectors of shape {tuple(vectors.shape)}, expected (P, {self._count})"
            )
        if not isinstance(self.module, MotorPolicy):
            return partial(vectorised(self.module), vectors)
        return _Members(self.module, vectors).step


def vectorised(module: nn.Module) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What `Population` does, of any module, by `functional_call` and `vmap` of `torch.func`."""
    named = {name: p.shape for name, p in module.named_parameters()}

    def one(vector: Tensor, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        parts = vector.split([shape.numel() for shape in named.values()])
        given = {n: part.reshape(s) for (n, s), part in zip(named.items(), parts, strict=True)}
        return functional_call(module, given, (observation, state))

    return vmap(one)


class _Members:
    """Fixed members; what they need is prepared once for each number of batch axes."""

    def __init__(self, module: MotorPolicy, vectors: Tensor) -> None:
        self.module, self.vectors = module, vectors
        self._axes, self._prepared = -1, None

    def step(self, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        members = len(self.vectors)
        if observation.ndim < 2 or observation.shape[0] != members:
            raise ShapeError(
                f"{members} parameter vectors and observations of shape "
                f"{tuple(observation.shape)}, expected ({members}, ..., {self.module.body.size})"
            )
        self.module.check(observation)
        if self._axes != observation.ndim:
            between = (1,) * (observation.ndim - 2)
            self._prepared = self.module.prepare(self.vectors.unflatten(0, (-1, *between)))
            self._axes = observation.ndim
        return self.module.act(self._prepared, observation, state)
