"""BiMU: one-bit weights that forget towards uncertainty, without task boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsectl.checks import whole, within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.posterior import moments
from sparsectl.continual.learners.relaxed import RelaxedLearner


@dataclass(frozen=True)
class BiMUConfig:
    """Binary metaplasticity from uncertainty (Cottart, Ballet, Bonnet, Querlioz 2026).

    lambda <- lambda - (rate l g + lambda k sech^2 lambda / N)
                       / (k sech^2 lambda + 2 l g tanh lambda + 2 |l g| + 1 / max_rate)

    g: gradient, by lambda through relaxed weights, of the loss summed over a step's examples and
    averaged over samples. A step whose gradients are all 0 is left out, forgetting too. The
    constants are the paper's, found for one example a step, a layer norm before every
    activation and on the output, and another activation than ours. Without the norm and on few
    examples, likelihood 1000, max_rate 0.01 and init 1 learn faster.
    """

    kind: ClassVar[str] = "bimu"

    rate: float = 4.9
    """eta."""
    likelihood: float = 161.3
    """l: weight of the data."""
    divergence: float = 3.76
    """k: weight of the divergence."""
    max_rate: float = 0.0023
    """Largest rate of one weight."""
    memory: float = 700.0
    """N: steps over which an unused weight returns towards uncertainty. Larger: remembers
    longer, learns less of what is new."""
    temperature: float = 1.0
    """Of the relaxed weights."""
    samples: int = 5
    """Sets of relaxed weights in a step."""
    draws: int = 5
    """Networks whose mean is predicted in mode `sample`."""
    init: float = 0.5
    """Standard deviation of lambda at the start (ours): with none, sampled fields nearly cancel
    where no norm brings them back to size, and so do gradients."""

    def __post_init__(self) -> None:
        numbers = ("rate", "likelihood", "divergence", "max_rate", "memory", "temperature")
        within(self, "bimu", "(0, inf)", *numbers)
        whole(self, "bimu", "[1, inf)", "samples", "draws")
        within(self, "bimu", "[0, inf)", "init")


def bimu_step(natural: Tensor, gradient: Tensor, config: BiMUConfig) -> Tensor:
    """What to add to lambda. The denominator is at least 1 / max_rate."""
    pull = config.divergence * moments(natural)[1]
    data = config.likelihood * gradient
    asymmetry = 2 * (data.abs() + data * torch.tanh(natural))
    return -(config.rate * data + natural * pull / config.memory) / (
        pull + asymmetry + 1 / config.max_rate
    )


class BiMULearner(RelaxedLearner):
    """See `BiMUConfig`. Needs no task boundaries."""

    config: BiMUConfig

    def begin(self) -> None:
        self.groups["natural"] = self.normal(self.config.init)

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        c, natural = self.config, self.groups["natural"]
        noise = [self._noise((c.samples, *w.shape)) for w in natural]

        def loss(lambdas: list[Tensor]) -> Tensor:
            weights = [
                torch.tanh((lam + d) / c.temperature) for lam, d in zip(lambdas, noise, strict=True)
            ]
            return self.losses(weights, inputs, targets).mean(0).sum()

        value, found = self.gradients(loss, natural)
        if all(not g.any() for g in found):
            return self.commit(value / len(inputs), {})
        new = [w + bimu_step(w, g, c) for w, g in zip(natural, found, strict=True)]
        return self.commit(value / len(inputs), {"natural": new})
