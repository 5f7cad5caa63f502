"""What it costs to replace a neuron by its best affine fit.

Over the inputs z that a neuron meets in rollouts, max(0, z) is replaced by a z + c with the least
squared error, in closed form; a and c go into the weights that read the neuron. The cost is the
change of the multi-step loss itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsectl.dynamics.kinds import (
    IDENTITY,
    RELU,
    ZERO,
    Activation,
    Gated,
    hard,
    set_kinds,
)


@dataclass(frozen=True)
class Replacement:
    """A ReLU and its affine stand-in.

    Attributes:
        layer, neuron: where.
        slope, offset: of the fit.
        cost: change of the loss.
    """

    layer: int
    neuron: int
    slope: float
    offset: float
    cost: float


@torch.no_grad()
def replacements(model: Gated, loss: Callable[[], Tensor]) -> list[Replacement]:
    """Stand-ins for all ReLUs, the cheapest first.

    Args:
        model: network.
        loss: multi-step loss of the model on fixed data.
    """
    fits, base = affine_fits(model, loss)
    masked = [hard(kind) for kind in model.kinds]
    found = []
    for i, (kind, (slope, offset)) in enumerate(zip(model.kinds, fits, strict=True)):
        for j in torch.nonzero(kind == RELU)[:, 0].tolist():
            a, c = float(slope[j]), float(offset[j])
            model.gates = [*masked[:i], _replaced(masked[i], j, a, c), *masked[i + 1 :]]
            try:
                found.append(Replacement(i, j, a, c, float(loss()) - base))
            finally:
                model.gates = None
    return sorted(found, key=lambda r: (r.cost, r.layer, r.neuron))


@torch.no_grad()
def affine_fits(
    model: Gated, loss: Callable[[], Tensor]
) -> tuple[list[tuple[Tensor, Tensor]], float]:
    """Slopes and offsets of all neurons' fits by layer, and the loss."""
    sums = [torch.zeros(4, len(kind), dtype=torch.float64) for kind in model.kinds]
    seen = [0] * len(sums)

    def recorder(i: int, inner: Activation) -> Activation:
        def record(z: Tensor) -> Tensor:
            flat = z.reshape(-1, z.shape[-1]).double()
            h = flat.relu()
            sums[i] += torch.stack([flat.sum(0), h.sum(0), (flat * flat).sum(0), (flat * h).sum(0)])
            seen[i] += len(flat)
            return inner(z)

        return record

    model.gates = [recorder(i, hard(kind)) for i, kind in enumerate(model.kinds)]
    try:
        base = float(loss())
    finally:
        model.gates = None
    fits = []
    for total, count in zip(sums, seen, strict=True):
        z, h, zz, zh = total / max(count, 1)
        spread = zz - z * z
        slope = torch.where(spread > 1e-12 * (1 + zz), (zh - z * h) / spread, 0.0)
        fits.append((slope, h - slope * z))
    return fits, base


@torch.no_grad()
def replace(model: Gated, chosen: list[Replacement]) -> None:
    """Replace ReLUs in place; one that hardly depends on its input becomes zero.

    The model changes by what the fits miss and nothing else.
    """
    kinds = [kind.clone() for kind in model.kinds]
    for r in chosen:
        gone = abs(r.slope) < 1e-6
        kinds[r.layer][r.neuron] = ZERO if gone else IDENTITY
        for reader in model.outgoing(r.layer):
            column = reader.weight[:, r.neuron]
            assert reader.bias is not None
            reader.bias.add_(column, alpha=r.offset)
            column.mul_(0.0 if gone else r.slope)
    set_kinds(model, kinds)


def _replaced(inner: Activation, neuron: int, slope: float, offset: float) -> Activation:
    def act(z: Tensor) -> Tensor:
        h = inner(z).clone()
        h[..., neuron] = slope * z[..., neuron] + offset
        return h

    return act
