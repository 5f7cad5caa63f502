"""Orthogonal projection with Hebbian subspaces (the idea of HLOP, for networks without spikes)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from sparsectl.checks import choices, within
from sparsectl.continual.learner import Observed
from sparsectl.continual.learners.latent import LatentLearner
from sparsectl.continual.learners.optimiser import OptimiserConfig, moved


@dataclass(frozen=True)
class HebbianConfig:
    """Weights only move across the directions that a layer's inputs took in earlier tasks.

    A lateral matrix H beside each layer learns its inputs' principal subspace by Oja's rule, with
    new rows for each task. From the second task on, steps lose their part along the old rows:
    step (I - H^T H), which for gradient descent is the presynaptic x - x^ of Xiao et al. (ICLR
    2024). Here whole steps are projected, so that it is exact for Adam and momentum too.

    What real weights answer to old inputs then stays as it was, as far as H spans them. One-bit
    weights are the signs of latent ones: latent answers stay, but a sign that flips changes the
    network's answer, so for them the protection is only approximate.
    """

    kind: ClassVar[str] = "hebbian"

    weights: Literal["binary", "real"] = "binary"
    """`binary`: signs of latent weights, straight-through; `real`: the weights themselves."""
    optimiser: OptimiserConfig = field(
        default_factory=lambda: OptimiserConfig("sgd", rate=0.1, momentum=0.9)
    )
    """Of the (latent) weights; it starts anew with every task. `real` does well with Adam at
    0.02; with Adam one-bit weights flip more, and forget more."""
    init: float = 0.1
    """(Latent) weights start uniform in [-init, init]; `real` wants about 1.7,
    a standard deviation of 1."""
    share: float = 0.15
    """New rows a task, as a share of a layer's inputs. When a layer has as many rows as inputs
    it can learn nothing more."""
    hebbian_rate: float = 0.1
    """Of the lateral matrices, for inputs of mean squared length 1."""
    hebbian_momentum: float = 0.9
    """Of the lateral matrices."""
    iterations: int = 5
    """Hebbian steps for each minibatch."""

    def __post_init__(self) -> None:
        choices(self, "hebbian")
        within(self, "hebbian", "(0, inf)", "init", "hebbian_rate")
        within(self, "hebbian", "[0, inf)", "iterations")
        within(self, "hebbian", "(0, 1]", "share")
        within(self, "hebbian", "[0, 1)", "hebbian_momentum")


class HebbianLearner(LatentLearner):
    """See `HebbianConfig`. Needs the end of a task, to fix that task's rows."""

    uses_boundaries = True

    config: HebbianConfig

    def begin(self) -> None:
        super().begin()
        if self.config.weights == "real":
            self.bits, self.modes = 32, ("mean",)  # type: ignore[misc]
        inputs = [n for _, n in self.layers.shapes]
        self.groups["lateral"] = [torch.zeros(n, n) for n in inputs]
        self.groups["lateral_momentum"] = [torch.zeros(n, n) for n in inputs]
        self.numbers.update({f"fixed.{i}": 0.0 for i in range(len(inputs))})
        self._open_rows()

    def fixed(self, layer: int) -> int:
        """Rows of a layer's lateral matrix that earlier tasks have fixed."""
        return int(self.numbers[f"fixed.{layer}"])

    def rows(self, layer: int) -> int:
        """Rows that the present task may learn."""
        n = self.layers.shapes[layer][1]
        return min(max(1, round(self.config.share * n)), n - self.fixed(layer))

    def weights(self, mode: str | None = None) -> list[Tensor]:
        if self.config.weights == "binary":
            return super().weights(mode)
        self.checked_mode(mode)
        return self.groups["latent"]

    def layer_inputs(self, inputs: Tensor) -> list[Tensor]:
        """What each layer gets, constants included. Shapes (n, inputs of the layer)."""
        found, a = [], inputs
        for i, W in enumerate(self.weights()):
            a = self.layers.extended(a, i)
            found.append(a)
            a = self.layers.activate(a @ W.mT * self.layers.scale(W.shape[-1]))
        return found

    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        loss, found = self.loss_gradients(self.weights(), inputs, targets)
        step, new = self.optimise(found)
        step = [
            projected(s, H[: self.fixed(i)])
            for i, (s, H) in enumerate(zip(step, self.groups["lateral"], strict=True))
        ]
        lateral, momentum = self._hebbian(inputs)
        return self.commit(
            loss,
            new
            | {
                "latent": moved(self.groups["latent"], step),
                "lateral": lateral,
                "lateral_momentum": momentum,
            },
        )

    def _hebbian(self, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Lateral matrices and their momenta after this minibatch."""
        c, lateral, momentum = self.config, [], []
        for i, a in enumerate(self.layer_inputs(inputs)):
            H, m = self.groups["lateral"][i].clone(), self.groups["lateral_momentum"][i].clone()
            new = slice(self.fixed(i), self.fixed(i) + self.rows(i))
            H[new], m[new] = hebbian_steps(
                H[new], m[new], a, H[: new.start], c.hebbian_rate, c.hebbian_momentum, c.iterations
            )
            lateral.append(H)
            momentum.append(m)
        return lateral, momentum

    def end_task(self) -> None:
        """Fix what the present task's rows have learnt, and open rows for the next one."""
        lateral = []
        for i, H in enumerate(self.groups["lateral"]):
            start = self.fixed(i)
            basis = kept(H[start : start + self.rows(i)], H[:start])
            self.numbers[f"fixed.{i}"] = float(start + len(basis))
            rest = torch.zeros(len(H) - start - len(basis), H.shape[1])
            lateral.append(torch.cat([H[:start], basis, rest]))
        self.groups["lateral"] = lateral
        self.groups["lateral_momentum"] = [torch.zeros_like(H) for H in lateral]
        self.reset_moments()
        self._open_rows()

    def _open_rows(self) -> None:
        """Short random rows, from which those of the present task grow."""
        opened = []
        for i, H in enumerate(self.groups["lateral"]):
            n, fixed, rows = H.shape[1], self.fixed(i), self.rows(i)
            H = H.clone()
            H[fixed : fixed + rows] = torch.randn(rows, n, generator=self.generator) * 0.1 / n**0.5
            opened.append(H)
        self.groups["lateral"] = opened


LEARNT = 0.5
"""Rows of a lateral matrix grow from near 0 to length 1 where inputs vary along them: shorter
ones stand for nothing."""


def hebbian_steps(
    rows: Tensor,
    momentum: Tensor,
    inputs: Tensor,
    old: Tensor,
    rate: float,
    friction: float,
    iterations: int = 1,
) -> tuple[Tensor, Tensor]:
    """Steps of Oja's subspace rule for new rows, given old ones.

    y = x H^T, x^ = y H over old and new rows; the new rows change by y^T (x - x^) / n, so they
    turn to what the old ones do not say (Xiao et al. 2024, HLOP). Inputs are scaled to a mean
    squared length of 1, so that one rate fits all layers, and changes are clipped at 10.

    Args:
        rows: new rows of H, shape (k, n inputs).
        momentum: of them, same shape.
        inputs: x, shape (n, n inputs).
        old: rows of earlier tasks, shape (m, n inputs).
        friction: share of the momentum that is kept.
    """
    mean_square = inputs.square().sum(1).mean()
    if not len(rows) or not mean_square > 0:
        return rows, momentum
    x = inputs / mean_square.sqrt()
    new_to_old = projected(x, old)
    for _ in range(iterations):
        y = x @ rows.mT
        change = (y.mT @ (new_to_old - y @ rows) / len(x)).clamp(-10, 10)
        momentum = friction * momentum + change
        rows = rows + rate * momentum
    return rows, momentum


def kept(rows: Tensor, old: Tensor) -> Tensor:
    """Orthonormal basis of what new rows have learnt, orthogonal to the old ones.

    Args:
        rows: new rows, shape (k, n inputs).
        old: orthonormal rows of earlier tasks, shape (m, n inputs).

    Returns:
        At most k rows, without directions in which the new rows stayed short.
    """
    _, sizes, basis = torch.linalg.svd(projected(rows, old), full_matrices=False)
    return basis[sizes > LEARNT]


def projected(step: Tensor, lateral: Tensor) -> Tensor:
    """Rows without their part along orthonormal ones: step (I - H^T H).

    Args:
        step: e.g. of weights, shape (n outputs, n inputs).
        lateral: H, orthonormal rows, shape (k, n inputs).
    """
    return step - (step @ lateral.mT) @ lateral
