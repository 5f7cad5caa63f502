"""Policies as vectors of parameters, and populations of them in one call."""

from __future__ import annotations

import torch
from torch import Tensor

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.errors import NonFiniteError, ShapeError


def flatten(module: MotorPolicy) -> Tensor:
    """A copy of all parameters, in the order of `parameters()`. Shape (n,)."""
    return module.vector().detach()


def load(module: MotorPolicy, vector: Tensor) -> None:
    """Set all parameters from a vector. Shape (n,).

    Raises:
        ShapeError: another number of parameters.
        NonFiniteError: a NaN or infinity.
    """
    values = torch.as_tensor(vector)
    if values.shape != (module.count,):
        raise ShapeError(
            f"a vector of shape {tuple(values.shape)}, expected ({module.count},): the policy has "
            f"{module.count} parameters; was the vector made for another configuration or number "
            "of joints?"
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

    What they need is prepared once for each number of batch axes, so later changes of the vectors
    in place may or may not be seen.

    Args:
        module: policy; its own parameters are not used.
        vectors: parameters of each member. Shape (P, n).

    Raises:
        ShapeError: vectors of another policy.
    """

    def __init__(self, module: MotorPolicy, vectors: Tensor) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != module.count:
            raise ShapeError(
                f"parameter vectors of shape {tuple(vectors.shape)}, expected (P, {module.count})"
            )
        self.module, self.vectors = module, vectors
        self._axes, self._prepared = -1, None

    def __call__(self, observation: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            observation: shape (P, ..., observation_size).
            state: shape (P, ..., state_size).

        Returns:
            Actions (P, ..., joints) and the next states (P, ..., state_size).

        Raises:
            ShapeError: an observation of another body or population.
        """
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
