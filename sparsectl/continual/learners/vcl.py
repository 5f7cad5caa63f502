"""Variational continual learning: the last task's posterior is the next one's prior."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from sparsectl.checks import within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.gaussian import GaussianLearner, noisy_fields
from sparsectl.continual.learners.optimiser import OptimiserConfig, moved


@dataclass(frozen=True)
class VCLConfig:
    """Mean negative log likelihood plus strength * KL / examples (Nguyen et al. 2018, eq. 4)."""

    kind: ClassVar[str] = "vcl"
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """How gradients become steps, of means and of logarithms of standard deviations."""
    strength: float = 0.01
    """Weight of the KL divergence. 1 is Bayes' rule, which with few examples for each weight keeps
    most weights at the prior."""
    hold: float = 100.0
    """Weight of what earlier tasks say in the pull towards the prior's means (lambda of generalised
    VCL, Loo, Swaroop and Turner 2021); 1 is Bayes' rule; more forgets less.
    At any `strength` the pull is about `hold` times that of Bayes' rule."""
    examples: int = 1000
    """Of a task, where the caller does not say how many it has."""
    prior: float = 1.0
    """Standard deviation of the first prior, around 0. Fields are divided by the root of the
    number of inputs, so 1 is 1/sqrt(n) in other libraries."""
    start: float = 1.0
    """Standard deviation over weights of their initial means."""
    start_deviation: float = 1.0
    """Initial standard deviation of the belief about each weight."""
    fresh: bool = True
    """The optimiser's moments start anew at each task."""

    def __post_init__(self) -> None:
        within(self, "vcl", "(0, inf)", "examples", "prior", "start", "start_deviation")
        within(self, "vcl", "[0, inf)", "strength", "hold")


class VCLLearner(GaussianLearner):
    """Mean-field Gaussian posterior without a coreset; no example is stored.

    The data's gradient comes from one draw per example by the local reparameterisation.
    """

    uses_boundaries = True

    config: VCLConfig

    def begin(self) -> None:
        self.groups["means"] = self.normal(self.config.start)
        self.groups["logs"] = self.constant(math.log(self.config.start_deviation))
        self.groups["prior_means"] = self.constant(0.0)
        self.groups["prior_logs"] = self.constant(math.log(self.config.prior))
        self.numbers["seen"] = 0.0
        self.add_optimiser(self.config.optimiser, self.groups["means"] + self.groups["logs"])

    def belief(self) -> tuple[list[Tensor], list[Tensor]]:
        return self.groups["means"], [s.exp() for s in self.groups["logs"]]

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        old = self.groups["means"] + self.groups["logs"]
        depth = len(self.groups["means"])

        def loss(leaves: list[Tensor]) -> Tensor:
            deviations = [s.exp() for s in leaves[depth:]]
            z = noisy_fields(self.layers, leaves[:depth], deviations, inputs, self.generator)
            return self.head.losses(z, targets).mean()

        value, found = self.gradients(loss, old)
        pull = self.divergence_gradients()
        weight = self.config.strength / (examples or self.config.examples)
        step, kept = self.optimise(list(torch._foreach_add(found, pull, alpha=weight)))
        new = moved(old, step)
        return self.commit(value, {"means": new[:depth], "logs": new[depth:], **kept})

    def divergence(self) -> float:
        """KL divergence from the prior to the posterior, in nats."""
        return sum(
            float(
                (q - s + 0.5 * (2 * (s - q)).exp() + 0.5 * ((m - p) / q.exp()).square() - 0.5).sum()
            )
            for m, s, p, q in zip(*self._four(), strict=True)
        )

    def divergence_gradients(self) -> list[Tensor]:
        """Gradients of `divergence` by means, then by logarithms of deviations.

        With `hold` L, precisions P of the present and P0 of the first prior, the means' are
        (L max(P - P0, 0) + min(P, P0)) times their distance.
        """
        first, hold = self.config.prior**-2, self.config.hold
        means = []
        for m, _, p, q in zip(*self._four(), strict=True):
            precision = (-2 * q).exp()
            means.append((m - p) * (precision + (hold - 1) * (precision - first).clamp(min=0)))
        return means + [(2 * (s - q)).exp() - 1 for _, s, _, q in zip(*self._four(), strict=True)]

    def _four(self) -> tuple[list[Tensor], ...]:
        return tuple(self.groups[k] for k in ("means", "logs", "prior_means", "prior_logs"))

    def end_task(self) -> None:
        """The posterior becomes the prior; after a task without examples it stays what it was."""
        if not self.numbers["seen"]:
            return
        self.groups["prior_means"] = list(self.groups["means"])
        self.groups["prior_logs"] = list(self.groups["logs"])
        self.numbers["seen"] = 0.0
        if self.config.fresh:
            self.reset_moments()
