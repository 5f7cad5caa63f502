"""Synaptic intelligence: weights hold by how much they lowered earlier losses on their way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from sparsectl.checks import within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.finetune import RealLearner, pulled
from sparsectl.continual.learners.optimiser import OptimiserConfig, moved


@dataclass(frozen=True)
class SIConfig:
    """Loss plus strength * sum_i O_i (w_i - w_i*)^2 (Zenke, Poole and Ganguli 2017, eq. 4)."""

    kind: ClassVar[str] = "si"
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """How gradients become steps."""
    strength: float = 1.0
    """Weight of the penalty against the mean loss of the present task."""
    xi: float = 0.1
    """Squared distance, in units of weights that are about 1, that keeps the importance of
    weights that hardly moved finite."""
    fresh: bool = True
    """The optimiser's moments start anew at each task."""
    start: float = 1.0
    """Standard deviation of the initial weights."""

    def __post_init__(self) -> None:
        within(self, "si", "(0, inf)", "start", "xi")
        within(self, "si", "[0, inf)", "strength")


class SILearner(RealLearner):
    """Importance O = sum over tasks of max(W, 0) / (D^2 + xi).

    W = -sum g dw, with g the gradient of the task's own loss and dw the step that was taken, is
    the share of a weight in the loss's fall; D is how far it went in the task (eqs. 3 and 5).
    """

    uses_boundaries = True

    config: SIConfig

    def begin(self) -> None:
        super().begin()
        self.groups["path"] = self.constant(0.0)
        self.groups["importance"] = self.constant(0.0)
        self.groups["anchor"] = list(self.groups["weights"])

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        weights, importance = self.groups["weights"], self.groups["importance"]
        loss, own = self.gradients(lambda w: self.loss(w, inputs, targets), weights)
        centre = list(torch._foreach_mul(importance, self.groups["anchor"]))
        found = pulled(own, weights, importance, centre, 2.0 * self.config.strength)
        step, kept = self.optimise(found)
        path = list(torch._foreach_addcmul(self.groups["path"], own, step, value=-1.0))
        return self.commit(loss, {"weights": moved(weights, step), "path": path, **kept})

    def end_task(self) -> None:
        """Turn the path into importance; a task without examples changes nothing."""
        if not self.numbers["seen"]:
            return
        self.groups["importance"] = [
            o + w.clamp(min=0.0) / ((now - then).square() + self.config.xi)
            for o, w, now, then in zip(
                *(self.groups[k] for k in ("importance", "path", "weights", "anchor")), strict=True
            )
        ]
        self.groups["anchor"] = list(self.groups["weights"])
        self.groups["path"] = self.constant(0.0)
        self.numbers["seen"] = 0.0
        if self.config.fresh:
            self.reset_moments()
