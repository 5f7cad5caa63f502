"""Metaplastic binary networks (Laborieux, Ernoult, Hirtzlin, Querlioz 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from sparsectl.checks import within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.latent import LatentLearner
from sparsectl.continual.learners.optimiser import OptimiserConfig, moved


@dataclass(frozen=True)
class MetaplasticConfig:
    """Steps that would shrink a latent weight W are multiplied by 1 - tanh^2(m |W|).

    Steps away from 0 are left alone, so weights that were pushed far are hard to flip. The
    network sees sign(W), and derivatives pass the sign unchanged. The authors keep the state of a
    batch norm for each task, so they must know the task at test, and begin their optimiser anew
    with every task; there is none of that here.
    """

    kind: ClassVar[str] = "metaplastic"

    metaplasticity: float = 10.0
    """m; 0: a plain binary network. The paper's go from 1.35 (permuted MNIST) to 13 (CIFAR-10);
    what counts is m times how far weights get, so fewer steps need more."""
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(rate=0.005))
    """Of the latent weights."""
    init: float = 0.05
    """Latent weights start uniform in [-init, init]."""
    decay: float = 1e-7
    """Added to the gradient for each unit of a latent weight."""

    def __post_init__(self) -> None:
        within(self, "metaplastic", "(0, inf)", "init")
        within(self, "metaplastic", "[0, inf)", "metaplasticity", "decay")


def metaplastic_step(latent: Tensor, step: Tensor, m: float) -> Tensor:
    """A step, less where it would shrink |W|: times 1 - tanh^2(m |W|) there."""
    factor = 1 - torch.tanh(m * latent).square()
    return torch.where(latent * step < 0, step * factor, step)


class MetaplasticLearner(LatentLearner):
    """See `MetaplasticConfig`. Needs no task boundaries."""

    config: MetaplasticConfig

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        c, latent = self.config, self.groups["latent"]
        loss, found = self.loss_gradients(self.weights(), inputs, targets)
        found = [g + c.decay * w for g, w in zip(found, latent, strict=True)]
        step, new = self.optimise(found)
        step = [metaplastic_step(w, s, c.metaplasticity) for w, s in zip(latent, step, strict=True)]
        return self.commit(loss, new | {"latent": moved(latent, step)})
