"""Directions that a layer's inputs have taken, learnt by a Hebbian rule (Oja's subspace)."""

from __future__ import annotations

import torch
from torch import Tensor

LEARNT = 0.5
"""Rows of a lateral matrix grow from near 0 to length 1 where inputs vary along them: shorter
ones stand for nothing."""


def hebbian_steps(
    rows: Tensor,
    momentum: Tensor,
    inputs: Tensor,
    old: Tensor,
    rate: float,
    friction: float,
    iterations: int = 1,
) -> tuple[Tensor, Tensor]:
    """Steps of Oja's subspace rule for new rows, given old ones.

    y = x H^T, x^ = y H over old and new rows; the new rows change by y^T (x - x^) / n, so they
    turn to what the old ones do not say (Xiao et al. 2024, HLOP). Inputs are scaled to a mean
    squared length of 1, so that one rate fits all layers, and changes are clipped at 10.

    Args:
        rows: new rows of H, shape (k, n inputs).
        momentum: of them, same shape.
        inputs: x, shape (n, n inputs).
        old: rows of earlier tasks, shape (m, n inputs).
        rate: of learning.
        friction: share of the momentum that is kept.
        iterations: steps on these inputs.

    Returns:
        Rows and momentum after the steps.
    """
    mean_square = inputs.square().sum(1).mean()
    if not len(rows) or not mean_square > 0:
        return rows, momentum
    x = inputs / mean_square.sqrt()
    new_to_old = projected(x, old)
    for _ in range(iterations):
        y = x @ rows.mT
        change = (y.mT @ (new_to_old - y @ rows) / len(x)).clamp(-10, 10)
        momentum = friction * momentum + change
        rows = rows + rate * momentum
    return rows, momentum


def kept(rows: Tensor, old: Tensor) -> Tensor:
    """Orthonormal basis of what new rows have learnt, orthogonal to the old ones.

    Args:
        rows: new rows, shape (k, n inputs).
        old: orthonormal rows of earlier tasks, shape (m, n inputs).

    Returns:
        At most k rows, without directions in which the new rows stayed short.
    """
    _, sizes, basis = torch.linalg.svd(projected(rows, old), full_matrices=False)
    return basis[sizes > LEARNT]


def projected(step: Tensor, lateral: Tensor) -> Tensor:
    """Rows without their part along orthonormal ones: step (I - H^T H).

    Args:
        step: e.g. of weights, shape (n outputs, n inputs).
        lateral: H, orthonormal rows, shape (k, n inputs).
    """
    return step - (step @ lateral.mT) @ lateral
