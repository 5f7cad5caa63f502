"""Gradient steps of sparsification."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from sparsectl.dynamics import TrainConfig
from sparsectl.dynamics.config import rate
from sparsectl.dynamics.loss import validation_error, window_loss
from sparsectl.dynamics.soap import optimizer as make_optimizer
from sparsectl.dynamics.threads import one_thread
from sparsectl.errors import TrainingDiverged
from sparsectl.sparsify.batches import Batches, Loss


def fit(
    model: Any,
    batches: Batches,
    config: TrainConfig,
    purpose: str,
    loss: Loss | None = None,
    *,
    after: Callable[[], None] = lambda: None,
) -> float:
    """Train in place for `config.steps`, then put back the weights with the best validation error.

    The normaliser stays as it is.

    Args:
        model: network.
        batches: data.
        config: as for `dynamics.train`; patience is not used: the budget is spent.
        purpose: names the order of the batches.
        loss: None: the multi-step loss of `config`.
        after: called after every step.

    Returns:
        That error, see `validation_error`.

    Raises:
        TrainingDiverged: a non-finite loss, gradient or validation error.
    """
    loss = loss or (lambda data, chosen: window_loss(model, data, chosen, penalty=config.loss))
    best, kept = math.inf, {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.train().requires_grad_(True)
    with one_thread():
        weights = list(model.parameters())
        for step in descend(weights, batches, config, purpose, loss):
            after()
            if step % config.check_every and step != config.steps:
                continue
            error = validation_error(model, batches.held)
            if not error < math.inf:
                raise TrainingDiverged(
                    f"{purpose}: the validation error became {error} at step {step}"
                )
            if error < best:
                best = error
                kept = {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(kept)
    model.eval().requires_grad_(False)
    return best


def descend(
    parameters: Sequence[Tensor],
    batches: Batches,
    config: TrainConfig,
    purpose: str,
    loss: Loss,
    *,
    gates: Sequence[Tensor] = (),
    gate_rate: float = 0.0,
) -> Iterator[int]:
    """Gradient steps on a model; yields the number done after each one.

    Args:
        parameters: by the optimiser and on the learning-rate schedule of `config`.
        batches: data.
        config: steps, batches, schedule, decay, clipping and seed.
        purpose: names the order of the batches.
        loss: of a batch.
        gates: logits, by Adam at a constant rate.
        gate_rate: theirs.

    Raises:
        TrainingDiverged: a non-finite loss or gradient.
    """
    weights = make_optimizer(
        config.optimizer, parameters, config.learning_rate, config.weight_decay
    )
    choice = torch.optim.Adam(gates, lr=gate_rate) if gates else None
    order = batches.order(config, purpose)
    limit = float("inf") if config.grad_clip is None else config.grad_clip
    for step in range(config.steps):
        for group in weights.param_groups:
            group["lr"] = rate(config, step)
        for each in (weights, choice):
            if each is not None:
                each.zero_grad(set_to_none=True)
        value = loss(batches.training, next(order))
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        if not torch.isfinite(value.detach() + norm):
            raise TrainingDiverged(
                f"{purpose}: the loss or gradient became non-finite at step {step}; lower "
                "learning_rate, set grad_clip, or look for outliers in the data"
            )
        weights.step()
        if choice is not None:
            choice.step()
        yield step + 1
