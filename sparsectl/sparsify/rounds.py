"""One round: choose which ReLUs stay, then train what is left."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sparsectl import seeding
from sparsectl.dynamics import TrainConfig
from sparsectl.dynamics.fit import Batches, Loss, descend, fit
from sparsectl.dynamics.kinds import IDENTITY, RELU, count_relus, set_kinds
from sparsectl.dynamics.loss import window_loss
from sparsectl.dynamics.soap import optimizer
from sparsectl.dynamics.windows import Windows
from sparsectl.errors import ConfigError
from sparsectl.sparsify.config import SparsifyConfig
from sparsectl.sparsify.gates import Gates
from sparsectl.sparsify.losses import Objective
from sparsectl.sparsify.sensitivity import replace as replace_neurons
from sparsectl.sparsify.sensitivity import replacements
from sparsectl.threads import one_thread

_PROBE = 512
"""Windows on which the cost of a replacement is measured."""
_TRIED, _TRIED_AT_LEAST = 3, 32
"""So many times the neurons that are needed are tried, and a few more."""


@dataclass(frozen=True)
class Trainer:
    """What all rounds share.

    Attributes:
        train: batch size, loss, schedule and clipping; its steps and rate do not count.
        tick: called after every gradient step, with what is being done.
    """

    batches: Batches
    train: TrainConfig
    config: SparsifyConfig
    objective: Objective
    tick: Callable[[str], None] = lambda _: None

    def training(self, steps: int, rate: float, schedule: Any = None) -> TrainConfig:
        """Training of a part of a round."""
        return replace(
            self.train, steps=steps, learning_rate=rate, seed=self.config.seed,
            schedule=schedule or self.train.schedule, patience=None,
        )  # fmt: skip

    def bounded(self) -> Trainer:
        """With the penalty on relaxations, which has no say in which ReLUs stay."""
        penalty = self.config.relaxation_penalty
        return replace(self, objective=replace(self.objective, relaxation=penalty))

    def loss(self, model: Any, purpose: str) -> Loss:
        """The objective with noise of its own."""
        generator = torch.Generator()
        generator.manual_seed(seeding.integer(self.config.seed, "teacher", purpose))
        return lambda data, chosen, _: self.objective(model, data, chosen, generator)


def steps_of(config: SparsifyConfig, before: int, target: int) -> int:
    """Gradient steps of a round, roughly: gates may take longer."""
    fine = config.finetune_steps
    if before <= target:
        return fine
    if config.selection == "gates":
        return fine + config.gate_steps
    return fine + config.removal_steps * len(stages(before, target, config.stride))


def finetune_steps(config: SparsifyConfig, target: int, before: int) -> int:
    """Gradient steps of a member's fine-tuning, with `before` behind it already.

    Raises:
        ConfigError: its budget is spent.
    """
    if not config.total_steps:
        return config.finetune_steps
    total = config.total_steps[config.counts.index(target)]
    if total <= before:
        raise ConfigError(
            f"sparsify total_steps: {total} for {target} ReLUs, but {before} steps come before "
            "its fine-tuning; give more, or lower initial_steps or removal_steps"
        )
    return total - before


def stages(before: int, target: int, stride: float) -> list[int]:
    """Counts on the way from one to another, each at most a share `stride` below the last."""
    counts = []
    while before > target:
        before = max(target, before - max(1, math.floor(stride * before)))
        counts.append(before)
    return counts


def choose(model: Any, target: int, trainer: Trainer, rate: float, purpose: str) -> None:
    """Bring a model to exactly `target` ReLUs, in place.

    Raises:
        TrainingDiverged: a non-finite loss or gradient.
    """
    with one_thread():
        if trainer.config.selection == "gates":
            _by_gates(model, target, trainer, rate, purpose)
        else:
            _by_sensitivity(model, target, trainer, rate, purpose)


def _by_sensitivity(model: Any, target: int, trainer: Trainer, rate: float, purpose: str) -> None:
    config, data = trainer.config, trainer.batches.training
    probe = torch.linspace(0, len(data) - 1, min(_PROBE, len(data))).long()
    for count in stages(count_relus(model), target, config.stride):
        least = count_relus(model) - count
        order = replacements(
            model,
            lambda: window_loss(model, data, probe, penalty=trainer.train.loss),
            limit=_TRIED * least + _TRIED_AT_LEAST,
        )
        replace_neurons(model, order[:least])
        if config.branch or count > target:  # on a single path fine-tuning follows the last
            part = f"{purpose} at {count}"
            _short(model, trainer, rate / 4, config.removal_steps, part)


def _short(model: Any, trainer: Trainer, rate: float, steps: int, purpose: str) -> None:
    model.train().requires_grad_(True)
    config = trainer.training(steps, rate, "onecycle")
    loss, weights = trainer.loss(model, purpose), optimizer(config, model.parameters())
    for _ in descend(weights, trainer.batches.training, config, purpose, loss):
        trainer.tick(purpose)


def _by_gates(model: Any, target: int, trainer: Trainer, rate: float, purpose: str) -> None:
    """Train gates and weights until the expected count is the target, then take the likeliest."""
    config = trainer.config
    gates, before = Gates(model, config.start), count_relus(model)
    first = float(gates.expected(RELU).detach())
    generator = torch.Generator().manual_seed(seeding.integer(config.seed, "gates", purpose))
    objective = trainer.loss(model, purpose)

    def loss(data: Windows, chosen: Tensor, step: int) -> Tensor:
        # The target falls over two thirds of the steps, so that weights can follow.
        share = min(1.0, 1.5 * step / config.gate_steps)
        excess = (gates.expected(RELU) - (first + share * (target - first))).relu()
        model.gates = gates.sample(config.temperature, generator)
        value = objective(data, chosen, step)
        value = value + config.relu_penalty * excess
        return value + config.identity_penalty * gates.expected(IDENTITY)

    train = trainer.training(2 * config.gate_steps, rate / 4, "constant")
    model.train().requires_grad_(True)
    steps = descend(
        optimizer(train, model.parameters()), trainer.batches.training, train, purpose, loss,
        second=torch.optim.Adam(gates.logits, lr=config.gate_rate),
    )  # fmt: skip
    try:
        for done, _ in enumerate(steps, start=1):
            trainer.tick(purpose)
            expected = float(gates.expected(RELU).detach())
            if done >= config.gate_steps and expected <= target + 0.05 * (before - target):
                break
    finally:
        model.gates = None
    set_kinds(model, gates.choose(target))


def finetune(
    model: Any, trainer: Trainer, rate: float, steps: int, purpose: str,
    weights: Callable[[], None] | None = None,
) -> float:  # fmt: skip
    """Train in place, keep the weights of the lowest validation error, and return that.

    Args:
        rate: peak learning rate.
        purpose: names the order of the batches.
        weights: called after every step, for example to clear dropped weights.

    Raises:
        TrainingDiverged: a non-finite loss, gradient or validation error.
    """

    def after() -> None:
        if weights is not None:
            weights()
        trainer.tick(purpose)

    train, loss = trainer.training(steps, rate), trainer.loss(model, purpose)
    return fit(model, trainer.batches, train, purpose, loss, after=after)


def drop_weights(model: Any, share: float) -> Callable[[], None]:
    """Clear the smallest weights of every matrix, in place; returns what keeps them so."""
    masks = []
    for parameter in model.parameters():
        if parameter.dim() == 2 and parameter.numel():
            size = parameter.detach().abs()
            masks.append((parameter, size > torch.quantile(size.flatten(), share)))

    @torch.no_grad()
    def clear() -> None:
        for parameter, mask in masks:
            parameter *= mask

    clear()
    return clear
