"""Adam and gradient descent as functions of plain tensors: nothing is changed in place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sparsectl.continual.learners.optimiser_config import OptimiserConfig


def moments(config: OptimiserConfig, parameters: Sequence[Tensor]) -> dict[str, list[Tensor]]:
    """Zero moments: `first` and `second` for Adam, `first` for descent with momentum."""
    names = ("first", "second") if config.method == "adam" else ("first",)[: config.momentum > 0]
    return {name: [torch.zeros_like(p) for p in parameters] for name in names}


def steps(
    config: OptimiserConfig,
    gradients: Sequence[Tensor],
    old: Mapping[str, list[Tensor]],
    updates: int,
) -> tuple[list[Tensor], dict[str, list[Tensor]]]:
    """Steps for these gradients, and the moments after them.

    Args:
        old: the moments, see `moments`.
        updates: number of this step since the moments were zero, from 1.

    Returns:
        What to add to the parameters, and the new moments by name.
    """
    g = list(gradients)
    if config.method == "sgd":
        if not config.momentum:
            return list(torch._foreach_mul(g, -config.rate)), {}
        first = list(torch._foreach_add(g, old["first"], alpha=config.momentum))
        return list(torch._foreach_mul(first, -config.rate)), {"first": first}
    b1, b2 = config.betas
    first = list(torch._foreach_lerp(old["first"], g, 1 - b1))
    second = list(torch._foreach_mul(old["second"], b2))
    torch._foreach_addcmul_(second, g, g, value=1 - b2)
    size = list(torch._foreach_sqrt(second))
    torch._foreach_div_(size, math.sqrt(1 - b2**updates))
    torch._foreach_add_(size, config.epsilon)
    step = list(torch._foreach_div(first, size))
    torch._foreach_mul_(step, -config.rate / (1 - b1**updates))
    return step, {"first": first, "second": second}


def moved(parameters: Sequence[Tensor], step: Sequence[Tensor]) -> list[Tensor]:
    """Parameters plus steps, as new tensors."""
    return list(torch._foreach_add(list(parameters), list(step)))
