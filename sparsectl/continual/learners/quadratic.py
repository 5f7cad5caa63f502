"""Penalties on the distance to earlier weights, summed over tasks in two numbers a weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pulled(
    gradients: Sequence[Tensor],
    weights: Sequence[Tensor],
    curvature: Sequence[Tensor],
    centre: Sequence[Tensor],
    strength: float,
) -> list[Tensor]:
    """Gradients with that of strength / 2 * sum_k F_k (w - w_k)^2 added.

    The sum over tasks k has the gradient strength * (A w - B) with A = sum_k F_k and
    B = sum_k F_k w_k: the memory does not grow with the number of tasks.

    Args:
        gradients, weights: one tensor for each layer.
        curvature: A.
        centre: B.
        strength: weight of the penalty.
    """
    pull = torch._foreach_mul(list(curvature), list(weights))
    torch._foreach_sub_(pull, list(centre))
    return list(torch._foreach_add(list(gradients), list(pull), alpha=strength))
