"""Fitting a policy network to actions, with an early stop on episodes that it does not see."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sparsectl import seeding
from sparsectl.data import split_indices
from sparsectl.errors import DataError, TrainingDiverged
from sparsectl.policies.config import FitConfig
from sparsectl.policies.network import PolicyNetwork
from sparsectl.threads import one_thread


@dataclass(frozen=True)
class Fitted:
    """Errors of the weights that were kept: root mean squares, 1 being half the action box.

    Attributes:
        training, held_out: over rows that were trained on, and over those that were not.
    """

    training: float
    held_out: float
    epochs: int


@one_thread()
def fit(
    network: PolicyNetwork,
    observations: np.ndarray,
    actions: np.ndarray,
    episodes: np.ndarray,
    config: FitConfig,
    *,
    seed: int,
    weights: np.ndarray | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Fitted:
    """Train a network in place on all rows but those of the episodes held out; also its scales.

    The loss is the mean square of (u - label) / half the action box. Beyond a limit of the box
    that is the label, an output is no error, as it is clipped.

    Args:
        observations: Shape (n, observation_size).
        actions: labels. Shape (n, nu).
        episodes: which episode a row is of, any whole number. Shape (n,).
        seed: of the split and of the batches.
        weights: how much the square of a row's error counts; None: all alike. Shape (n,).
        progress: called with the number of passes made.

    Raises:
        DataError: fewer than two episodes have rows.
        TrainingDiverged: a non-finite loss.
    """
    names = np.unique(episodes)
    if len(names) < 2:
        raise DataError(f"{len(names)} episodes have labels, expected at least 2: play more")
    _, held = split_indices(len(names), config.held_out, seed)
    out = np.isin(episodes, names[held])
    network.normalise(observations[~out])
    half = (network.high - network.low).clamp(min=1e-12) / 2
    weights = np.ones(len(actions)) if weights is None else weights / weights.mean()
    columns = (observations, actions, weights[:, None])
    (seen, wanted, counts), unseen = (
        tuple(torch.as_tensor(column[k]) for column in columns) for k in (~out, out)
    )

    def loss(x: Tensor, label: Tensor, count: Tensor) -> Tensor:
        error = (network.unclipped(x) - label) / half
        beyond = ((error > 0) & (label >= network.high)) | ((error < 0) & (label <= network.low))
        return (count * torch.where(beyond, 0.0, error).square()).mean()

    size, count = min(config.batch_size, len(seen)), len(seen)
    total = config.epochs * (count // size)
    optimizer = torch.optim.Adam(network.parameters(), config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    best, stale, kept, epoch = math.inf, 0, {}, 0
    for epoch in range(1, config.epochs + 1):
        order = seeding.generator(seed, "order", epoch).permutation(count)
        for k in range(count // size):
            batch = order[k * size : (k + 1) * size]
            value = loss(seen[batch], wanted[batch], counts[batch])
            if not torch.isfinite(value):
                raise TrainingDiverged("the loss is not finite; lower learning_rate")
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
        progress(epoch)
        with torch.no_grad():
            error = float(loss(*unseen))
        if error < best:
            best, stale = error, 0
            kept = {k: v.clone() for k, v in network.state_dict().items()}
        else:
            stale += 1
        if stale >= config.patience:
            break
    network.load_state_dict(kept)
    with torch.no_grad():
        return Fitted(math.sqrt(float(loss(seen, wanted, counts))), math.sqrt(best), epoch)
