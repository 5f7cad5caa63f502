"""Activation-frequency pruning: neurons that hardly ever switch become linear.

p is the share of training states in which a neuron is on. Those with the smallest min(p, 1 - p)
go first, so neurons that are (nearly) always on or off come before all others: p >= 1/2 makes the
neuron the identity, p < 1/2 removes it. The removal of neurons by their share of zeros is that of
"Network trimming" (Hu et al. 2016), the folding of neurons that are always on that of lossless
compression (Serra, Kumar and Ramalingam 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparsectl.dynamics import MLPDynamics
from sparsectl.dynamics.fit import Batches
from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO
from sparsectl.sparsify.baselines.base import network, with_kinds
from sparsectl.sparsify.baselines.iterative import Iterative

_SAMPLES = 8192


def cut(model: MLPDynamics, batches: Batches, count: int) -> MLPDynamics:
    """The network with all but the `count` neurons that switch most replaced."""
    shares = frequencies(model, batches)
    p, kind = torch.cat(shares), torch.cat(model.kinds)
    relus = (kind == RELU).nonzero()[:, 0]
    order = torch.minimum(p, 1 - p)[relus].sort(stable=True).indices
    replaced = relus[order[: len(relus) - count]]
    kind[replaced] = torch.where(p[replaced] >= 0.5, IDENTITY, ZERO).to(kind.dtype)
    return with_kinds(model, kind.split([len(s) for s in shares]))


@torch.no_grad()
def frequencies(model: MLPDynamics, batches: Batches) -> list[Tensor]:
    """Share of (evenly spread) training states in which a neuron's input is positive.

    Shape (width,) per hidden layer.
    """
    data = batches.training
    chosen = torch.linspace(0, len(data) - 1, min(_SAMPLES, len(data))).long()
    x, u, _ = data.batch(chosen)
    folded, h, found = model.fold(), torch.cat([x[:, 0], u[:, 0]], dim=1), []
    for (W, b), activation in zip(folded.layers[:-1], folded.activations, strict=True):
        z = torch.addmm(b, h, W.T)
        found.append((z > 0).float().mean(0))
        h = activation(z)
    return found


_rounds = Iterative("frequency", cut, network)
frequency, frequency_path = _rounds.method(), _rounds.path
