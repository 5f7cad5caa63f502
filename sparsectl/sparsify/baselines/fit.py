"""One training loop for all baselines, so that they differ in nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsectl import seeding
from sparsectl.dynamics import MLPDynamics, TrainConfig, Trajectories
from sparsectl.dynamics.config import rate
from sparsectl.dynamics.loss import validation_error, window_loss
from sparsectl.dynamics.train import one_thread
from sparsectl.dynamics.windows import Windows, windows
from sparsectl.errors import TrainingDiverged

Loss = Callable[[Windows, Tensor], Tensor]
"""(windows, indices of a batch) -> scalar."""


@dataclass(frozen=True)
class Batches:
    """Training and validation windows.

    Attributes:
        training: what gradients are taken on.
        held: what decides which weights are kept.
    """

    training: Windows
    held: Windows

    @classmethod
    def of(cls, data: tuple[Trajectories, Trajectories], config: TrainConfig) -> Batches:
        """Windows of `config.rollout_steps` transitions, float32, on the CPU."""
        device = torch.device("cpu")
        first, second = (windows(d, config.rollout_steps, device, torch.float32) for d in data)
        return cls(first, second)

    def order(self, config: TrainConfig, purpose: str) -> Iterator[Tensor]:
        """Indices of endless batches: every window once an epoch."""
        size = min(config.batch_size, len(self.training))
        epoch = 0
        while True:
            generator = torch.Generator()
            generator.manual_seed(seeding.integer(config.seed, "order", purpose, epoch))
            order = torch.randperm(len(self.training), generator=generator)
            yield from order[: len(order) // size * size].split(size)
            epoch += 1


def fit(
    model: MLPDynamics,
    batches: Batches,
    config: TrainConfig,
    purpose: str,
    loss: Loss | None = None,
) -> MLPDynamics:
    """Train in place for `config.steps`, then put back the weights with the best validation error.

    The normaliser stays as it is.

    Args:
        model: network.
        batches: data.
        config: as for `dynamics.train`; patience is not used: the budget is spent.
        purpose: names the order of the batches.
        loss: None: the multi-step loss of `config`.

    Raises:
        TrainingDiverged: a non-finite loss, gradient or validation error.
    """
    loss = loss or (lambda data, chosen: window_loss(model, data, chosen, penalty=config.loss))
    best, kept = float("inf"), model.state_dict()
    model.train().requires_grad_(True)
    with one_thread():
        steps = descend(list(model.parameters()), batches, config, purpose, loss)
        for step in steps:
            if step % config.check_every and step != config.steps:
                continue
            error = validation_error(model, batches.held)
            if not error < float("inf"):
                raise _diverged("validation error", purpose, step)
            if error < best:
                best = error
                kept = {k: v.detach().clone() for k, v in model.state_dict().items()}
    model.load_state_dict(kept)
    return model.eval().requires_grad_(False)


def descend(
    parameters: Sequence[Tensor],
    batches: Batches,
    config: TrainConfig,
    purpose: str,
    loss: Loss,
    *,
    constant: Sequence[Tensor] | None = None,
    constant_rate: float = 0.0,
) -> Iterator[int]:
    """Gradient steps of AdamW; yields the number done after each one.

    Args:
        parameters: on the learning-rate schedule of `config`.
        batches, config, purpose, loss: as for `fit`.
        constant: more parameters, at a constant learning rate and neither decayed nor clipped.
        constant_rate: theirs.
    """
    groups: list[dict[str, Any]]
    groups = [{"params": parameters, "weight_decay": config.weight_decay}]
    if constant:
        groups.append({"params": constant, "weight_decay": 0.0, "lr": constant_rate})
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)
    order = batches.order(config, purpose)
    limit = float("inf") if config.grad_clip is None else config.grad_clip
    for step in range(config.steps):
        optimizer.param_groups[0]["lr"] = rate(config, step)
        optimizer.zero_grad(set_to_none=True)
        value = loss(batches.training, next(order))
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        if not torch.isfinite(value.detach() + norm):
            raise _diverged("loss or gradient", purpose, step)
        optimizer.step()
        yield step + 1


def _diverged(what: str, purpose: str, step: int) -> TrainingDiverged:
    return TrainingDiverged(
        f"{purpose}: the {what} became non-finite at step {step}; lower learning_rate, set "
        "grad_clip, or look for outliers in the data"
    )
