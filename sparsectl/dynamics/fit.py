"""The training loop: gradient steps, checks on held-out windows, the best weights kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsectl import seeding
from sparsectl.data import Episodes, split_indices
from sparsectl.dynamics.config import TrainConfig, rate
from sparsectl.dynamics.loss import validation_error, window_loss
from sparsectl.dynamics.progress import Progress, moments, set_moments
from sparsectl.dynamics.soap import optimizer as make_optimizer
from sparsectl.dynamics.windows import Trajectories, Windows, windows
from sparsectl.errors import TrainingDiverged
from sparsectl.task import StateMap
from sparsectl.threads import one_thread

Loss = Callable[[Windows, Tensor, int], Tensor]
"""(windows, indices of a batch, gradient steps before) -> scalar."""


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
    def of(
        cls, data: Sequence[Trajectories], config: TrainConfig, like: torch.nn.Module | None = None
    ) -> Batches:
        """Windows of `config.rollout_steps` transitions on the CPU, as precise as a model's
        weights; without one, float32."""
        device = torch.device("cpu")
        dtype = torch.float32 if like is None else next(like.parameters()).dtype
        first, second = (windows(d, config.rollout_steps, device, dtype) for d in data)
        return cls(first, second)


def trajectories(
    episodes: Episodes,
    state_map: StateMap,
    config: TrainConfig,
    repeats: Sequence[int] | None = None,
) -> tuple[Trajectories, Trajectories]:
    """Training and validation data, split by whole episodes as `config` says.

    Args:
        repeats: how often each episode counts in training (in validation: once); None: once.
    """
    chosen, held = split_indices(len(episodes), config.validation_fraction, config.seed)
    if repeats is not None:
        chosen = np.repeat(chosen, np.asarray(repeats)[chosen])
    training, rest = (Trajectories.of(episodes.select(i), state_map) for i in (chosen, held))
    return training, rest


def fit(
    model: Any,
    batches: Batches,
    config: TrainConfig,
    name: str | int,
    loss: Loss | None = None,
    *,
    progress: Progress | None = None,
    after: Callable[[], object] = lambda: None,
    checked: Callable[[dict[str, float]], None] = lambda _: None,
) -> float:
    """Train a network in place and leave it with its best weights; the normaliser stays.

    Args:
        config: see `TrainConfig`; data are split already and the device is theirs.
        name: of this training: part of the seeds of its batches.
        loss: None: the multi-step loss of `config`.
        progress: where training stands, kept up to date; None: at its start.
        checked: called after every check, with the row of the history that it gave.

    Returns:
        The lowest validation error, see `validation_error`.

    Raises:
        TrainingDiverged: a non-finite loss, gradient or validation error.
    """
    state = Progress() if progress is None else progress
    loss = loss or (lambda data, chosen, _: window_loss(model, data, chosen, penalty=config.loss))
    model.requires_grad_(True).train()
    optimizer = make_optimizer(config, model.parameters())
    set_moments(optimizer, state.moments)
    losses: list[Tensor] = []
    with one_thread():
        for value in descend(optimizer, batches.training, config, name, loss, first=state.step):
            losses.append(value)
            state.step += 1
            after()
            if state.step % config.check_every and state.step != config.steps:
                continue
            error = validation_error(model, batches.held)
            row = {
                "step": state.step,
                "train_loss": float(sum(losses)) / len(losses),
                "validation": error,
                "learning_rate": rate(config, state.step - 1),
            }
            losses.clear()
            if not error < math.inf:
                raise diverged("validation error", name, state.step)
            state.stale += 1
            if error < state.best:
                state.best, state.best_step, state.stale = error, state.step, 0
                state.best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
            state.moments = moments(optimizer)
            checked(row)
            if config.patience is not None and state.stale >= config.patience:
                break
    model.load_state_dict(state.best_weights)
    model.eval().requires_grad_(False)
    return state.best


def descend(
    optimizer: torch.optim.Optimizer,
    data: Windows,
    config: TrainConfig,
    name: str | int,
    loss: Loss,
    *,
    first: int = 0,
    second: torch.optim.Optimizer | None = None,
) -> Iterator[Tensor]:
    """Gradient steps, as many as `config` says; yields the loss after each one.

    Args:
        optimizer: of the weights, on the learning-rate schedule of `config`, clipped.
        data: windows; every one once an epoch, in an order of the epoch's own.
        config: steps, batch size, schedule, clipping and seed.
        name: of the training: part of the seeds of its batches.
        first: steps that were done before.
        second: of what else the loss depends on, at the rate that it has.

    Raises:
        TrainingDiverged: a non-finite loss or gradient.
    """
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    both = [optimizer] if second is None else [optimizer, second]
    limit = math.inf if config.grad_clip is None else config.grad_clip
    size, order, known = min(config.batch_size, len(data)), torch.empty(0), -1
    for step in range(first, config.steps):
        epoch, place = divmod(step, len(data) // size)
        if epoch != known:
            generator = torch.Generator()
            generator.manual_seed(seeding.integer(config.seed, "order", name, epoch))
            order, known = torch.randperm(len(data), generator=generator), epoch
            order = order.to(data.starts.device)
        for group in optimizer.param_groups:
            group["lr"] = rate(config, step)
        for each in both:
            each.zero_grad(set_to_none=True)
        value = loss(data, order[place * size : (place + 1) * size], step)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, limit)
        if not torch.isfinite(value.detach() + norm):
            raise diverged("gradient" if torch.isfinite(value) else "loss", name, step)
        for each in both:
            each.step()
        yield value.detach()


def diverged(what: str, name: str | int, step: int) -> TrainingDiverged:
    """The error that says what became non-finite, and what to do."""
    who = f"member {name}" if isinstance(name, int) else name
    return TrainingDiverged(
        f"the {what} of {who} became non-finite at step {step}; lower learning_rate, set "
        "grad_clip, or look for outliers in the data"
    )
