"""Selective network linearisation (Cho, Joshi, Garg, Reagen and Hegde, ICML 2022)."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsectl.checks import within
from sparsectl.dynamics import MLPDynamics
from sparsectl.dynamics.fit import Batches, Loss, descend, fit
from sparsectl.dynamics.kinds import IDENTITY, RELU, blend
from sparsectl.dynamics.loss import rollout_loss, window_loss
from sparsectl.dynamics.soap import optimizer
from sparsectl.dynamics.windows import Windows
from sparsectl.sparsify.baselines.base import Budget, Method, dense, with_kinds


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
        within(self, "snl", "(0, 1)", "search")
        within(self, "snl", "[0, 1]", "distil")
        within(self, "snl", "(1, inf)", "growth")
        within(self, "snl", "(0, inf)", "penalty", "threshold", "rate")
        within(self, "snl", "[1, inf)", "check_every")


def reach(
    model: MLPDynamics, batches: Batches, count: int, budget: Budget, seed: int,
    config: SNLConfig | None = None,
) -> MLPDynamics:  # fmt: skip
    """Linearise neurons by a trained mixture of ReLU and identity.

    Every neuron computes alpha relu(z) + (1 - alpha) z. Weights and alphas, which start at 1,
    are trained together under the task's loss plus penalty * sum |alpha|; the penalty grows
    while no fewer alphas are above the threshold. Once few enough are, or the search's share of
    the budget is spent, the `count` largest alphas become 1, the others 0 (identity), and the
    weights are fine-tuned with the dense model as a teacher.

    Differs from the paper in the data (regression, open-loop rollouts) and in the learning rate
    of the weights, which is the schedule of all methods here, once for the search and once for
    the fine-tuning.
    """
    config, student = config or SNLConfig(), copy.deepcopy(model)
    spent, alphas = search(student, batches, count, budget, seed, config)
    flat = torch.cat(alphas).abs()
    kind = torch.full((len(flat),), IDENTITY)
    kind[flat.sort(descending=True, stable=True).indices[:count]] = RELU
    hard = with_kinds(student, kind.split([len(a) for a in alphas]))
    rest = budget.training(budget.left - spent, seed)
    fit(hard, batches, rest, f"snl {count}", distilled(hard, model, rest.loss, config.distil))
    return hard


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


snl = Method("snl", dense, reach)
