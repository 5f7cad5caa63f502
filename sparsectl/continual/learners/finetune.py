"""Real weights that follow the present task's loss: what forgets most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from sparsectl.checks import within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.optimiser import OptimiserConfig, moved
from sparsectl.continual.learners.tensors import TensorLearner


@dataclass(frozen=True)
class FinetuneConfig:
    """Adam or gradient descent, carried from task to task."""

    kind: ClassVar[str] = "finetune"
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """How gradients become steps."""
    start: float = 1.0
    """Standard deviation of the initial weights. Fields are divided by the root of the number of
    inputs, so 1 is what other libraries start from with 1/sqrt(n)."""
    average: float = 0.0
    """At the end of task k its change of the weights is divided by k^average: with 1 the weights
    are the mean over tasks (incremental moment matching, Lee et al. 2017); 0: none of that."""

    def __post_init__(self) -> None:
        within(self, "finetune", "(0, inf)", "start")
        within(self, "finetune", "[0, inf)", "average")


class RealLearner(TensorLearner):
    """Base of learners with one real number a weight: `weights`, from N(0, start^2)."""

    bits = 32

    def begin(self) -> None:
        self.groups["weights"] = self.normal(self.config.start)
        self.numbers["seen"] = 0.0
        self.add_optimiser(self.config.optimiser, self.groups["weights"])

    def loss(self, weights: list[Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean negative log likelihood, a scalar."""
        return self.head.losses(self.layers(weights, inputs), targets).mean()

    def descend(
        self,
        loss: Tensor,
        gradients: list[Tensor],
        new: dict[str, list[Tensor]] | None = None,
    ) -> Observed:
        """One step of the optimiser along these gradients, with other groups that change."""
        step, kept = self.optimise(gradients)
        changed = {"weights": moved(self.groups["weights"], step), **kept, **(new or {})}
        return self.commit(loss, changed)


class FinetuneLearner(RealLearner):
    """Knows nothing of tasks, unless it averages over them; the lower bound of a comparison.

    Trained on all tasks at once, or on a new network for each, it is the upper bound.
    """

    config: FinetuneConfig

    def begin(self) -> None:
        super().begin()
        self.average_tasks("weights", self.config.average)

    def end_task(self) -> None:
        self.end_average("weights", self.config.average)

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        loss, found = self.gradients(
            lambda weights: self.loss(weights, inputs, targets), self.groups["weights"]
        )
        return self.descend(loss, found)


def pulled(
    gradients: Sequence[Tensor],
    weights: Sequence[Tensor],
    curvature: Sequence[Tensor],
    centre: Sequence[Tensor],
    strength: float,
) -> list[Tensor]:
    """Gradients with that of strength / 2 * sum_k F_k (w - w_k)^2 added.

    The sum over tasks k has the gradient strength * (A w - B) with A = sum_k F_k and
    B = sum_k F_k w_k: the memory does not grow with the number of tasks.

    Args:
        gradients, weights: one tensor for each layer.
    """
    pull = torch._foreach_mul(list(curvature), list(weights))
    torch._foreach_sub_(pull, list(centre))
    return list(torch._foreach_add(list(gradients), list(pull), alpha=strength))
