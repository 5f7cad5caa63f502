"""BayesBiNN: natural gradients for a belief over one-bit weights (Meng, Bachmann, Khan 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sparsectl.checks import whole, within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.posterior import moments
from sparsectl.continual.learners.relaxed import RelaxedLearner

FLOOR = 1e-10
"""Added to both variances, as the authors do: it decides where |lambda| is large."""


@dataclass(frozen=True)
class BayesBiNNConfig:
    """lambda <- lambda - rate (N s g + prior_weight (lambda - lambda_0)).

    g: gradient of the mean loss at the relaxed weights w; s = (1 - w^2) / (t (1 - tanh^2
    lambda)); lambda_0: 0, then lambda at the end of the task before. The authors' permuted-MNIST
    runs have temperature 0.01, init 10, rate 0.001 on a cosine, 100 epochs a task and batch
    norm; the defaults here were tuned for a hundred steps a task, without normalisation.
    """

    kind: ClassVar[str] = "bayesbinn"

    rate: float = 0.3
    """Learning rate."""
    temperature: float = 0.5
    """Of the relaxed weights."""
    init: float = 2.0
    """lambda starts at +-init, at random."""
    prior_weight: float = 0.003
    """Of the Kullback-Leibler divergence from the task before. Bayes' rule, and the authors, have
    1; with far more weights than examples that leaves nothing to learn, so less is the default."""
    samples: int = 1
    """Sets of relaxed weights in a step."""
    draws: int = 20
    """Networks whose mean is predicted in mode `sample`."""
    examples: int = 1000
    """N where the stream does not tell how many a task has."""

    def __post_init__(self) -> None:
        within(self, "bayesbinn", "(0, inf)", "rate", "temperature", "init")
        within(self, "bayesbinn", "[0, inf)", "prior_weight")
        whole(self, "bayesbinn", "[1, inf)", "samples", "draws", "examples")


class BayesBiNNLearner(RelaxedLearner):
    """See `BayesBiNNConfig`. The prior moves when a task ends, so it must be told."""

    uses_boundaries = True

    config: BayesBiNNConfig

    def begin(self) -> None:
        self.groups["natural"] = self.random_signs(self.config.init)
        self.groups["prior"] = self.constant(0.0)

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        c, natural = self.config, self.groups["natural"]
        n = examples or c.examples
        weights = self.relaxed(c.samples, c.temperature)
        loss, found = self.gradients(
            lambda w: self.losses(w, inputs, targets).mean(1).sum(), weights
        )
        new = []
        for lam, prior, w, g in zip(natural, self.groups["prior"], weights, found, strict=True):
            slope = (1 - w.square() + FLOOR) / (c.temperature * (moments(lam)[1] + FLOOR))
            data = n * (slope * g).mean(0)
            new.append(lam - c.rate * (data + c.prior_weight * (lam - prior)))
        return self.commit(loss / c.samples, {"natural": new})

    def end_task(self) -> None:
        """The belief becomes the prior."""
        self.groups["prior"] = list(self.groups["natural"])
