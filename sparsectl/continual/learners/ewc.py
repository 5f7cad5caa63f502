"""Elastic weight consolidation: earlier tasks' weights hold by their Fisher information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sparsectl.checks import choices, within
from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.finetune import RealLearner, pulled
from sparsectl.continual.learners.optimiser import OptimiserConfig


@dataclass(frozen=True)
class EWCConfig:
    """Loss plus strength / 2 * sum_i F_i (w_i - w_i*)^2 (Kirkpatrick et al. 2017, eq. 3)."""

    kind: ClassVar[str] = "ewc"
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """How gradients become steps."""
    strength: float = 100.0
    """Weight of the penalty against the mean loss of the present task."""
    labels: Literal["drawn", "given"] = "drawn"
    """`drawn`: targets from the network's own prediction: the Fisher information. `given`: those
    of the data: the empirical one, which is cheaper and vanishes where the fit is perfect."""
    window: int = 2000
    """Examples that the running mean of squared gradients looks back over."""
    fresh: bool = True
    """The optimiser's moments start anew at each task."""
    start: float = 1.0
    """Standard deviation of the initial weights."""

    def __post_init__(self) -> None:
        within(self, "ewc", "(0, inf)", "start", "window")
        within(self, "ewc", "[0, inf)", "strength")
        choices(self, "ewc")


class EWCLearner(RealLearner):
    """Quadratic penalties by the diagonal of the Fisher information.

    Batches come once, so the Fisher information is not a pass over the data at a task's end: it is
    an exponential running mean over about the last `window` examples of their squared gradients,
    each at the weights of its time, and starts anew with each task.
    """

    uses_boundaries = True

    config: EWCConfig

    def begin(self) -> None:
        super().begin()
        for name in ("squares", "curvature", "centre"):
            self.groups[name] = self.constant(0.0)
        self.numbers["share"] = 0.0

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        weights, n = self.groups["weights"], len(inputs)
        leaves = [w.detach().requires_grad_() for w in weights]
        with torch.enable_grad():
            a, z = forward(self.layers, leaves, inputs)
            losses = self.head.losses(z[-1], targets)
            own = self.config.labels == "drawn" and bool(torch.isfinite(z[-1]).all())
            deltas = errors(losses, z, keep=own)
            fisher = deltas
            if own:
                guesses = drawn(self.head, z[-1], self.generator)
                fisher = errors(self.head.losses(z[-1], guesses), z)
        keep = max(0.0, 1.0 - n / self.config.window)
        squares = torch._foreach_lerp(self.groups["squares"], mean_squares(fisher, a), 1.0 - keep)
        found = pulled(
            mean_gradients(deltas, a),
            weights,
            self.groups["curvature"],
            self.groups["centre"],
            self.config.strength,
        )
        observed = self.descend(losses.detach().mean(), found, {"squares": list(squares)})
        if observed.outcome == "updated":
            self.numbers["share"] = keep * self.numbers["share"] + 1.0 - keep
        return observed

    def fisher(self) -> list[Tensor]:
        """Diagonal of the Fisher information of the present task so far; zeros before any."""
        share = self.numbers["share"]
        return [s / share if share else s for s in self.groups["squares"]]

    def end_task(self) -> None:
        """Hold on to the present weights; a task without examples changes nothing."""
        if not self.numbers["seen"]:
            return
        weights, fisher = self.groups["weights"], self.fisher()
        A, B = self.groups["curvature"], self.groups["centre"]
        A = [a + f for a, f in zip(A, fisher, strict=True)]
        B = [b + f * w for b, f, w in zip(B, fisher, weights, strict=True)]
        self.groups.update(curvature=A, centre=B, squares=self.constant(0.0))
        self.numbers.update(share=0.0, seen=0.0)
        if self.config.fresh:
            self.reset_moments()


def forward(
    layers: Layers, weights: Sequence[Tensor], x: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs, with constants and scale, and fields of every layer.

    Returns:
        a_l, Shape (n, inputs of layer l), and z_l = a_l W_l^T, Shape (n, outputs of layer l).
    """
    inputs, fields, a = [], [], x
    for i, W in enumerate(weights):
        a = layers.extended(a, i) * layers.scale(W.shape[1])
        z = a @ W.mT
        inputs.append(a)
        fields.append(z)
        a = layers.activate(z) if i < len(weights) - 1 else z
    return inputs, fields


def errors(losses: Tensor, fields: Sequence[Tensor], keep: bool = False) -> list[Tensor]:
    """Derivatives of each example's loss by its fields, Shape (n, outputs of layer l).

    Args:
        losses: Shape (n,); the examples do not depend on each other.
        keep: the graph is needed once more.
    """
    return list(torch.autograd.grad(losses.sum(), list(fields), retain_graph=keep))


def mean_gradients(deltas: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of the mean loss: example i's is the outer product of delta_i and a_i."""
    return [d.mT @ a.detach() / len(a) for d, a in zip(deltas, inputs, strict=True)]


def mean_squares(deltas: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Means over examples of the squares of their gradients: the Fisher information's diagonal."""
    return [
        d.square().mT @ a.detach().square() / len(a) for d, a in zip(deltas, inputs, strict=True)
    ]


def drawn(head: Head, z: Tensor, generator: torch.Generator) -> Tensor:
    """Targets drawn from the network's own prediction, for fields z of shape (n, outputs)."""
    z = z.detach()
    if head.kind == "classification":
        return torch.multinomial(z.softmax(-1), 1, generator=generator).squeeze(-1)
    return z + head.noise * torch.randn(z.shape, generator=generator)
