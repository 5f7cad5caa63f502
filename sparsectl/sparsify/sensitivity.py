"""What it costs to replace a neuron by its best affine fit.

Over the inputs z that a neuron meets in rollouts, max(0, z) is replaced by a z + c with the least
squared error, in closed form; a and c go into the weights that read the neuron. What the fit
misses, times the norm of these weights, says which neurons are worth a closer look; their cost is
the change of the multi-step loss itself.
"""

from __future__ import annotations

import dataclasses
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
        miss: root mean squared error of the fit, times the norm of the weights that read it.
    """

    layer: int
    neuron: int
    slope: float
    offset: float
    miss: float
    cost: float


@torch.no_grad()
def replacements(
    model: Gated, loss: Callable[[], Tensor], limit: int | None = None
) -> list[Replacement]:
    """Stand-ins for ReLUs, the cheapest first.

    Args:
        loss: multi-step loss of the model on fixed data.
        limit: only that many, of the smallest miss, are tried; None: all.
    """
    fits, base = affine_fits(model, loss)
    masked = [hard(kind) for kind in model.kinds]
    found = []
    for i, (kind, fit) in enumerate(zip(model.kinds, fits, strict=True)):
        norm = torch.cat([reader.weight for reader in model.outgoing(i)]).double().norm(dim=0)
        for j in torch.nonzero(kind == RELU)[:, 0].tolist():
            a, c, missed = (float(value[j]) for value in fit)
            found.append(Replacement(i, j, a, c, missed * float(norm[j]), 0.0))
    found.sort(key=lambda r: (r.miss, r.layer, r.neuron))
    tried = []
    for r in found[:limit]:
        i = r.layer
        act = _replaced(masked[i], r.neuron, r.slope, r.offset)
        model.gates = [*masked[:i], act, *masked[i + 1 :]]
        try:
            tried.append(dataclasses.replace(r, cost=float(loss()) - base))
        finally:
            model.gates = None
    return sorted(tried, key=lambda r: (r.cost, r.layer, r.neuron))


@torch.no_grad()
def affine_fits(
    model: Gated, loss: Callable[[], Tensor]
) -> tuple[list[tuple[Tensor, Tensor, Tensor]], float]:
    """Slopes, offsets and root mean squared errors of all neurons' fits by layer; the loss."""
    sums = [torch.zeros(5, len(kind), dtype=torch.float64) for kind in model.kinds]
    seen = [0] * len(sums)

    def recorder(i: int, inner: Activation) -> Activation:
        def record(z: Tensor) -> Tensor:
            flat = z.reshape(-1, z.shape[-1]).double()
            h = flat.relu()
            terms = (flat, h, flat * flat, flat * h, h * h)
            sums[i] += torch.stack([term.sum(0) for term in terms])
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
        z, h, zz, zh, hh = total / max(count, 1)
        spread = zz - z * z
        slope = torch.where(spread > 1e-12 * (1 + zz), (zh - z * h) / spread, 0.0)
        missed = (hh - h * h - slope * (zh - z * h)).clamp_min(0.0).sqrt()
        fits.append((slope, h - slope * z, missed))
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
