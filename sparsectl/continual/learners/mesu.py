"""Metaplasticity from synaptic uncertainty: weights learn as fast as they are uncertain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsectl.checks import whole, within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.gaussian import GaussianLearner, noisy_fields


@dataclass(frozen=True)
class MESUConfig:
    """Steps of Bonnet et al. (2025), which need neither a learning rate nor task boundaries."""

    kind: ClassVar[str] = "mesu"
    memory: float = 1_000_000.0
    """Examples that are remembered, N: smaller forgets more and stays more plastic."""
    strength: float = 30.0
    """Factor on the cost in the steps of standard deviations: how many examples each one counts as.
    1 is the paper's; more consolidates faster."""
    prior: float = 1.0
    """Standard deviation of the prior, around 0, that what is forgotten returns to."""
    start: float = 1.0
    """Standard deviation over weights of their initial means."""
    start_deviation: float = 1.0
    """Initial standard deviation of the belief about each weight, at most that of the prior."""
    samples: int = 2
    """Draws of the weights for each example."""
    chunk: int = 64
    """Examples a step: a longer batch is taken in pieces. Each step adds up the examples'
    gradients, as if they came one by one."""
    trust: float = 0.5
    """A step moves no mean by more than this many of its standard deviations, and changes no
    standard deviation by more than this share of it."""

    def __post_init__(self) -> None:
        numbers = ("memory", "strength", "prior", "start", "start_deviation")
        within(self, "mesu", "(0, inf)", *numbers)
        whole(self, "mesu", "[1, inf)", "samples", "chunk")
        within(self, "mesu", "(0, 1)", "trust")


class MESULearner(GaussianLearner):
    """With cost C, belief N(m, s^2) and prior N(0, p^2), a step on n examples is

    dm = -s^2 dC/dm - n s^2 m / (N p^2)
    ds = -strength s^2 / 2 dC/ds + n s (p^2 - s^2) / (2 N p^2)

    (arXiv 2504.13569). C is the sum of the examples' negative log likelihoods, averaged over
    draws; the draws are of fields, by the local reparameterisation, in place of weights.
    """

    config: MESUConfig

    def begin(self) -> None:
        self.groups["means"] = self.normal(self.config.start)
        self.groups["deviations"] = self.constant(self.config.start_deviation)

    def belief(self) -> tuple[list[Tensor], list[Tensor]]:
        return self.groups["means"], self.groups["deviations"]

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        before, updates, total = dict(self.groups), self.numbers["updates"], 0.0
        size = self.config.chunk
        for x, y in zip(inputs.split(size), targets.split(size), strict=True):
            observed = self._step(x, y)
            if observed.outcome != "updated":  # all steps on a batch, or none
                self.groups, self.numbers["updates"] = before, updates
                return observed
            total += observed.loss * len(x)
        return Observed("updated", total / len(inputs))

    def _step(self, inputs: Tensor, targets: Tensor) -> Observed:
        means, deviations = self.belief()
        k, n, depth = self.config.samples, len(inputs), len(means)
        x = inputs.repeat(k, 1)
        y = targets.repeat(k, *[1] * (targets.ndim - 1))

        def cost(leaves: list[Tensor]) -> Tensor:
            z = noisy_fields(self.layers, leaves[:depth], leaves[depth:], x, self.generator)
            return self.head.losses(z, y).sum() / k

        value, found = self.gradients(cost, [*means, *deviations])
        new = [
            self.moved(m, s, gm, gs, n)
            for m, s, gm, gs in zip(means, deviations, found[:depth], found[depth:], strict=True)
        ]
        return self.commit(
            value / n,
            {"means": [m for m, _ in new], "deviations": [s for _, s in new]},
        )

    def moved(
        self, m: Tensor, s: Tensor, by_mean: Tensor, by_deviation: Tensor, examples: int
    ) -> tuple[Tensor, Tensor]:
        """Means and deviations after a step with these gradients of the cost."""
        p2, share = self.config.prior**2, examples / self.config.memory
        variance, most = s.square(), self.config.trust * s
        dm = -variance * (by_mean + share * m / p2)
        ds = (
            -0.5 * self.config.strength * variance * by_deviation
            + 0.5 * share * s * (p2 - variance) / p2
        )
        # clamp would turn an infinite gradient into a finite step, which commit could not see.
        finite = torch.isfinite(dm) & torch.isfinite(ds)
        nan = torch.full_like(dm, float("nan"))
        dm = torch.where(finite, torch.clamp(dm, -most, most), nan)
        return m + dm, s + torch.clamp(ds, -most, most)
