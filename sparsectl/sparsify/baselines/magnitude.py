"""Structured magnitude pruning: neurons with small weights are removed.

A neuron's score is the product of the norms of its incoming weights (with bias) and of its
outgoing ones, which no rescaling of a ReLU changes, divided by its layer's mean score. The lowest
scores of all layers go; every layer keeps a neuron. Structured form of iterative magnitude pruning
(Han et al. 2015; Li et al. 2017, "Pruning filters for efficient convnets").
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sparsectl.dynamics import MLPDynamics
from sparsectl.dynamics.fit import Batches
from sparsectl.errors import ConfigError
from sparsectl.sparsify.baselines.base import dense
from sparsectl.sparsify.baselines.iterative import Iterative


def cut(model: MLPDynamics, _: Batches, count: int) -> MLPDynamics:
    """The network without all but the `count` neurons of highest score.

    Raises:
        ConfigError: a count below one a layer (0 is fine: affine).
    """
    if count == 0:
        return keep(model, [torch.zeros(0, dtype=torch.long) for _ in model.config.hidden])
    if count < len(model.config.hidden):
        raise ConfigError(
            f"magnitude: {count} ReLUs are fewer than the {len(model.config.hidden)} hidden "
            "layers, each of which keeps one: give a higher target, or 0"
        )
    scores = [s / s.mean().clamp_min(1e-30) for s in neuron_scores(model)]
    for score in scores:
        score[score.argmax()] = float("inf")
    limit = torch.cat(scores).sort(descending=True, stable=True).indices[:count]
    chosen = torch.zeros(sum(map(len, scores)), dtype=torch.bool)
    chosen[limit] = True
    parts = chosen.split([len(s) for s in scores])
    return keep(model, [part.nonzero()[:, 0] for part in parts])


@torch.no_grad()
def neuron_scores(model: MLPDynamics) -> list[Tensor]:
    """Product of the norms of incoming and outgoing weights. Shape (width,) per layer."""
    linears = model.linears
    return [
        (into.weight.square().sum(1) + into.bias.square()).sqrt() * out.weight.norm(dim=0)
        for into, out in itertools.pairwise(linears)
    ]


@torch.no_grad()
def keep(model: MLPDynamics, neurons: Sequence[Tensor]) -> MLPDynamics:
    """A smaller network with some of the neurons; without any, the affine rest.

    Args:
        model: network; left as it is.
    """
    hidden = tuple(len(n) for n in neurons)
    if not all(hidden):
        hidden = ()
    small = MLPDynamics(replace(model.config, hidden=hidden), model.names, model.nx, model.nu)
    small.to(model.input_mean.dtype)
    for name in ("input_mean", "input_std", "output_mean", "output_std"):
        small.get_buffer(name).copy_(model.get_buffer(name))
    if not hidden:
        only = small.linears[0]
        only.bias.copy_(model.linears[-1].bias)
        only.weight.zero_() if model.skip is None else only.weight.copy_(model.skip.weight)
        return small
    before = torch.arange(model.linears[0].in_features)
    for source, target, after in zip(
        model.linears, small.linears, [*neurons, torch.arange(len(model.output_std))], strict=True
    ):
        target.weight.copy_(source.weight[after][:, before])
        target.bias.copy_(source.bias[after])
        before = after
    if small.skip is not None and model.skip is not None:
        small.skip.weight.copy_(model.skip.weight)
    return small


_rounds = Iterative("magnitude", cut, dense)
magnitude, magnitude_path = _rounds.method(), _rounds.path
