"""Real weights that follow the present task's loss: what forgets most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.optimiser import OptimiserConfig, moved
from sparsectl.continual.learners.tensors import TensorLearner
from sparsectl.errors import ConfigError


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
        positive("finetune", start=self.start)
        not_negative("finetune", average=self.average)


def positive(kind: str, **values: float) -> None:
    """Refuse settings that are not above 0 and finite.

    Raises:
        ConfigError: naming the learner and the setting.
    """
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ConfigError(f"{kind}: {name} is {value}, expected above 0")


def not_negative(kind: str, **values: float) -> None:
    """Refuse settings that are below 0 or not finite.

    Raises:
        ConfigError: naming the learner and the setting.
    """
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ConfigError(f"{kind}: {name} is {value}, expected 0 or above")


class RealLearner(TensorLearner):
    """Base of learners with one real number a weight: `weights`, from N(0, start^2).

    Attributes:
        seen: examples of the present task, counted in the saved numbers.
    """

    bits = 32

    def __init__(
        self,
        optimiser: OptimiserConfig,
        start: float,
        network: NetworkConfig,
        n_in: int,
        head: Head,
        seed: int,
    ) -> None:
        super().__init__(network, n_in, head, seed)
        self.groups["weights"] = self.normal(start)
        self.numbers["seen"] = 0.0
        self.add_optimiser(optimiser, self.groups["weights"])

    def loss(self, weights: list[Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean negative log likelihood, a scalar."""
        return self.head.losses(self.layers(weights, inputs), targets).mean()

    def descend(
        self,
        loss: Tensor,
        gradients: list[Tensor],
        examples: int,
        new: dict[str, list[Tensor]] | None = None,
    ) -> Observed:
        """One step of the optimiser along these gradients, with other groups that change."""
        step, kept = self.optimise(gradients)
        changed = {"weights": moved(self.groups["weights"], step), **kept, **(new or {})}
        observed = self.commit(loss, changed)
        if observed.outcome == "updated":
            self.numbers["seen"] += examples
        return observed


class FinetuneLearner(RealLearner):
    """Knows nothing of tasks, unless it averages over them; the lower bound of a comparison.

    Trained on all tasks at once, or on a new network for each, it is the upper bound.
    """

    def __init__(
        self, config: FinetuneConfig, network: NetworkConfig, n_in: int, head: Head, seed: int = 0
    ) -> None:
        super().__init__(config.optimiser, config.start, network, n_in, head, seed)
        self.average = config.average
        self.uses_boundaries = config.average > 0
        if config.average:
            self.average_tasks("weights")

    def end_task(self) -> None:
        if self.average:
            self.end_average("weights", self.average)

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        loss, found = self.gradients(
            lambda weights: self.loss(weights, inputs, targets), self.groups["weights"]
        )
        return self.descend(loss, found, len(inputs))
