"""Binary weights by straight-through estimators: forward the sign, backward something with a
slope."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sparsectl.checks import choices, within
from sparsectl.continual.layers import signs
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.latent import LatentLearner
from sparsectl.continual.learners.optimiser import OptimiserConfig, moved


@dataclass(frozen=True)
class StraightThroughConfig:
    """Signs of latent weights, trained by Adam through an estimator of the sign's derivative.

    Nothing holds on to earlier tasks: among the binary learners this one is the fine-tuning.
    The estimator is that of the weights; sign activations keep the clipped identity. Weights
    have no scale beside the network's fan-in, so that they deploy as +-1 exactly.
    """

    kind: ClassVar[str] = "straight_through"

    estimator: Literal["identity", "reste", "biper"] = "identity"
    """`identity`: the derivative is 1 (BinaryConnect, Courbariaux 2015); `reste`: that of
    sign(w) |w|^(1/o), o growing over the steps (Wu 2023); `biper`: weights are
    sign(sin(omega w)), derivative omega cos(omega w) (Vargas 2024)."""
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(rate=0.005))
    """Of the latent weights; its moments are carried across tasks."""
    init: float = 0.1
    """Latent weights start uniform in [-init, init]."""
    clip: float | None = 1.0
    """Latent weights are kept in [-clip, clip]; none: free."""
    average: float = 0.0
    """At the end of task k its change of the latent weights is divided by k^average: with 1 they
    are the mean over tasks; 0: none of that."""
    steps: int = 1000
    """`reste`: steps over which o goes from 1 to its end; all of them, if known."""
    end_exponent: float = 3.0
    """`reste`: the last o."""
    omega: float = 20.0
    """`biper`: frequency. The paper trains a network of waves first; here there is none."""

    def __post_init__(self) -> None:
        choices(self, "straight_through")
        within(self, "straight_through", "(0, inf)", "init", "clip", "omega")
        within(self, "straight_through", "[1, inf)", "steps", "end_exponent")
        within(self, "straight_through", "[0, inf)", "average")


class StraightThroughLearner(LatentLearner):
    """See `StraightThroughConfig`."""

    config: StraightThroughConfig

    def begin(self) -> None:
        super().begin()
        self.average_tasks("latent", self.config.average)

    @property
    def exponent(self) -> float:
        """ReSTE's o at the next step."""
        c = self.config
        return reste_exponent(int(self.numbers["updates"]), c.steps, c.end_exponent)

    def end_task(self) -> None:
        self.end_average("latent", self.config.average)

    def weights(self, mode: str | None = None) -> list[Tensor]:
        if self.config.estimator != "biper":
            return super().weights(mode)
        self.checked_mode(mode)
        return [signs(torch.sin(self.config.omega * w)) for w in self.groups["latent"]]

    def _slope(self, latent: Tensor) -> Tensor | float:
        if self.config.estimator == "reste":
            return reste_slope(latent, self.exponent)
        if self.config.estimator == "biper":
            return biper_slope(latent, self.config.omega)
        return 1.0

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        c, latent = self.config, self.groups["latent"]
        loss, found = self.loss_gradients(self.weights(), inputs, targets)
        found = [g * self._slope(w) for g, w in zip(found, latent, strict=True)]
        step, new = self.optimise(found)
        after = moved(latent, step)
        if c.clip is not None:
            after = [w.clamp(-c.clip, c.clip) for w in after]
        return self.commit(loss, new | {"latent": after})


RESTE_CORE = 0.1
"""ReSTE: below this size of a latent weight the slope is constant."""
RESTE_END = 1.5
"""ReSTE: beyond this size there is no slope."""


def reste_exponent(step: int, steps: int, end: float) -> float:
    """Exponent o of ReSTE after some steps (Wu et al., ICCV 2023).

    1 + (1 - cos(pi step / (2 steps))) (end - 1): from 1, a plain straight-through estimator, to
    `end`; constant afterwards.
    """
    done = min(max(step, 0) / max(steps, 1), 1.0)
    return 1.0 + (1.0 - math.cos(0.5 * math.pi * done)) * (end - 1.0)


def reste_slope(latent: Tensor, o: float) -> Tensor:
    """Derivative of sign(w) |w|^(1/o), as ReSTE bounds it (Wu et al., ICCV 2023).

    Constant up to 0.1, where the true one is unbounded: there the secant's, 0.1^(1/o) / 0.1.
    Zero beyond 1.5.
    """
    size = latent.abs()
    core = size <= RESTE_CORE
    slope = size.clamp_min(RESTE_CORE).pow((1.0 - o) / o) / o
    slope = torch.where(core, RESTE_CORE ** (1.0 / o) / RESTE_CORE, slope)
    return torch.where(size <= RESTE_END, slope, 0.0)


def biper_slope(latent: Tensor, omega: float) -> Tensor:
    """Derivative omega cos(omega w) of the wave sin(omega w), of which BiPer takes the sign
    (Vargas et al., CVPR 2024)."""
    return omega * torch.cos(omega * latent)
