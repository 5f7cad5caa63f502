"""Metaplasticity from synaptic uncertainty: weights learn as fast as they are uncertain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.finetune import positive
from sparsectl.continual.learners.gaussian import GaussianLearner, noisy_fields
from sparsectl.errors import ConfigError


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
        positive(
            "mesu",
            memory=self.memory,
            strength=self.strength,
            prior=self.prior,
            start=self.start,
            start_deviation=self.start_deviation,
        )
        for name in ("samples", "chunk"):
            if getattr(self, name) < 1:
                raise ConfigError(f"mesu: {name} is {getattr(self, name)}, expected at least 1")
        if not 0 < self.trust < 1:
            raise ConfigError(f"mesu: trust is {self.trust}, expected between 0 and 1")


class MESULearner(GaussianLearner):
    """With cost C, belief N(m, s^2) and prior N(0, p^2), a step on n examples is

    dm = -s^2 dC/dm - n s^2 m / (N p^2)
    ds = -strength s^2 / 2 dC/ds + n s (p^2 - s^2) / (2 N p^2)

    (arXiv 2504.13569). C is the sum of the examples' negative log likelihoods, averaged over
    draws; the draws are of fields, by the local reparameterisation, in place of weights.
    """

    def __init__(
        self, config: MESUConfig, network: NetworkConfig, n_in: int, head: Head, seed: int = 0
    ) -> None:
        super().__init__(network, n_in, head, seed)
        self.config = config
        self.groups["means"] = self.normal(config.start)
        self.groups["deviations"] = self.constant(config.start_deviation)

    def belief(self) -> tuple[list[Tensor], list[Tensor]]:
        return self.groups["means"], self.groups["deviations"]

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        before, total = dict(self.groups), 0.0
        for x, y in zip(
            inputs.split(self.config.chunk), targets.split(self.config.chunk), strict=True
        ):
            observed = self._step(x, y)
            if observed.outcome != "updated":
                self.groups = before
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
