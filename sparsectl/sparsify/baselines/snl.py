"""Selective network linearisation (Cho, Joshi, Garg, Reagen and Hegde, ICML 2022)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, MLPDynamics
from sparsectl.dynamics.fit import Batches, Loss, descend, fit
from sparsectl.dynamics.kinds import IDENTITY, RELU, blend, count_relus
from sparsectl.dynamics.loss import _PENALTIES, window_loss
from sparsectl.dynamics.soap import optimizer
from sparsectl.dynamics.windows import Windows
from sparsectl.errors import ConfigError
from sparsectl.sparsify.baselines.base import (
    Budget,
    Clock,
    Member,
    check_count,
    dense,
    with_kinds,
)
from sparsectl.task import StateMap


@dataclass(frozen=True)
class SNLConfig:
    """Settings of selective network linearisation."""

    search: float = 0.5
    """Largest share of the steps that may go into the search; fine-tuning gets the rest."""
    penalty: float = 1e-5
    """Weight of the sum of |alpha| at the start."""
    growth: float = 1.1
    """Factor on the penalty whenever a check finds no new lowest number of ReLUs."""
    check_every: int = 10
    """Steps between two checks."""
    threshold: float = 0.01
    """A neuron counts as a ReLU while its alpha is above this."""
    rate: float = 5e-3
    """Learning rate of alpha."""
    distil: float = 0.5
    """Share of the teacher in the fine-tuning loss: the dense model's rollouts take the place of
    the data."""

    def __post_init__(self) -> None:
        if not 0 < self.search < 1 or not 0 <= self.distil <= 1:
            raise ConfigError(
                f"snl: search {self.search} and distil {self.distil} are shares, expected in "
                "(0, 1) and [0, 1]"
            )
        if self.growth <= 1 or min(self.penalty, self.threshold, self.rate) <= 0:
            raise ConfigError(
                "snl: growth must be above 1; penalty, threshold and rate must be above 0"
            )
        if self.check_every < 1:
            raise ConfigError(f"snl: check_every is {self.check_every}, expected at least 1")


def snl(
    model: MLPConfig | MLPDynamics,
    episodes: Episodes,
    state_map: StateMap,
    count: int,
    budget: Budget,
    seed: int,
    *,
    config: SNLConfig | None = None,
) -> Member:
    """Linearise neurons by a trained mixture of ReLU and identity.

    Every neuron computes alpha relu(z) + (1 - alpha) z. Weights and alphas, which start at 1,
    are trained together under the task's loss plus penalty * sum |alpha|; the penalty grows
    while no fewer alphas are above the threshold. Once few enough are, or the search's share of
    the budget is spent, the `count` largest alphas become 1, the others 0 (identity), and the
    weights are fine-tuned with the dense model as a teacher.

    Differs from the paper in the data (regression, open-loop rollouts) and in the learning rate
    of the weights, which is the schedule of all methods here, once for the search and once for
    the fine-tuning.

    Args:
        model: trained network of ReLUs only; left as it is.
        episodes, state_map: data.
        count: ReLUs to keep.
        budget: `budget.left` steps are spent.
        seed: of split and batches.
        config: settings.

    Raises:
        ConfigError: a count above what there is.
        TrainingDiverged: see `fit`.
    """
    clock, config = Clock(), config or SNLConfig()
    teacher = dense(model, "snl")
    check_count(count, count_relus(teacher), "snl")
    batches = budget.batches(episodes, state_map, seed)
    student = copy.deepcopy(teacher)
    spent, alphas = search(student, batches, count, budget, seed, config)
    flat = torch.cat(alphas).abs()
    kind = torch.full((len(flat),), IDENTITY)
    kind[flat.sort(descending=True, stable=True).indices[:count]] = RELU
    hard = with_kinds(student, kind.split([len(a) for a in alphas]))
    rest = budget.training(budget.left - spent, seed)
    fit(hard, batches, rest, f"snl {count}", distilled(hard, teacher, rest.loss, config.distil))
    return Member(hard, count, budget.steps, clock.seconds)


def search(
    model: MLPDynamics, batches: Batches, count: int, budget: Budget, seed: int, config: SNLConfig
) -> tuple[int, list[Tensor]]:
    """Train weights (in place) and alphas until at most `count` alphas are above the threshold.

    Returns:
        Steps taken, alphas by layer.
    """
    alphas = [torch.ones(n, requires_grad=True) for n in model.config.hidden]
    penalty, lowest, step = config.penalty, sum(model.config.hidden), 0
    model.train().requires_grad_(True)

    def loss(data: Windows, chosen: Tensor, _: int) -> Tensor:
        model.gates = [blend(a, 1 - a) for a in alphas]
        value = window_loss(model, data, chosen, penalty=budget.train.loss)
        return value + penalty * torch.stack([a.abs().sum() for a in alphas]).sum()

    train = budget.training(max(1, int(config.search * budget.left)), seed)
    steps = descend(
        optimizer(train, model.parameters()), batches.training, train, "snl search", loss,
        second=torch.optim.Adam(alphas, lr=config.rate),
    )  # fmt: skip
    for step, _ in enumerate(steps, start=1):
        if step % config.check_every:
            continue
        above = sum(int((a > config.threshold).sum()) for a in alphas)
        if above <= count:
            break
        if above >= lowest:
            penalty *= config.growth
        lowest = min(lowest, above)
    model.gates = None
    return step, [a.detach() for a in alphas]


def distilled(model: MLPDynamics, teacher: MLPDynamics, penalty: str, share: float) -> Loss:
    """The task's loss mixed with the distance to the teacher's rollouts."""

    def loss(data: Windows, chosen: Tensor, _: int) -> Tensor:
        if not share:
            return window_loss(model, data, chosen, penalty=penalty)
        x, u, counts = data.batch(chosen)
        states = model.fold().rollout(x[:, 0], u)
        with torch.no_grad():
            target = teacher.fold().rollout(x[:, 0], u)
        task = rollout_loss(model, states, x, counts, penalty)
        return (1 - share) * task + share * rollout_loss(model, states, target, counts, penalty)

    return loss


def rollout_loss(
    model: MLPDynamics, states: Tensor, truth: Tensor, counts: Tensor | None, penalty: str
) -> Tensor:
    """Mean penalty of a rollout's error, as in `dynamics.loss.window_loss`.

    Args:
        model: gives units and predicted entries.
        states, truth: Shape (batch, H + 1, nx).
        counts: which steps count, None: all. Shape (batch, H).
        penalty: `l2`, `l1` or `huber`.
    """
    error = (states - truth)[:, 1:] * model.place(1 / model.output_std)
    loss = _PENALTIES[penalty](error).sum(-1) / len(model.output_std)
    return loss.mean() if counts is None else (loss * counts).sum() / counts.sum()
