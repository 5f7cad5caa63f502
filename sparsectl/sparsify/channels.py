"""Identity channels: neurons that carry the input past every hidden layer.

With as many identities a layer as the network has inputs, a ReLU of any layer may read the input
and every ReLU before it: what the ReLU program allows, and what few ReLUs need. As a chain of
layers it is trained better than with direct connections of the same reach.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from sparsectl.dynamics import MLPDynamics
from sparsectl.dynamics.kinds import IDENTITY, set_kinds


@torch.no_grad()
def with_channels(model: MLPDynamics) -> MLPDynamics:
    """A network of the same predictions, with identity channels past all of its hidden layers.

    They come after the neurons that are there; so far each is read by the next one only.

    Args:
        model: left as it is; without hidden layers, a copy is given.
    """
    channels = model.linears[0].in_features
    hidden = tuple(width + channels for width in model.config.hidden)
    config = replace(model.config, hidden=hidden)
    wide = MLPDynamics(config, model.names, model.nx, model.nu)
    wide.to(model.input_mean.dtype)
    for name, buffer in model.named_buffers():
        if not name.startswith("kinds_"):
            wide.get_buffer(name).copy_(buffer)
    pairs = list(zip(model.linears, wide.linears, strict=True))
    for i, (source, target) in enumerate(pairs):
        before = source.in_features if i else 0
        _grow(source, target, before, channels, last=i == len(pairs) - 1)
    if model.skip is not None and wide.skip is not None:
        wide.skip.weight.copy_(model.skip.weight)
    added = torch.full((channels,), IDENTITY, dtype=torch.int8)
    set_kinds(wide, [torch.cat([kind.cpu(), added]) for kind in model.kinds])
    return wide.eval().requires_grad_(False)


def _grow(source: nn.Linear, target: nn.Linear, before: int, channels: int, last: bool) -> None:
    """Weights of a layer with channels from input `before` on, after all outputs of `source`."""
    rows = source.out_features
    target.weight.zero_()
    target.bias.zero_()
    target.weight[:rows, : source.in_features] = source.weight
    target.bias[:rows] = source.bias
    if not last:
        target.weight[rows:, before : before + channels] = torch.eye(channels)
