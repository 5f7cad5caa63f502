"""Learners that use the sign of real latent weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sparsectl.continual.layers import signs
from sparsectl.continual.learners.tensors import TensorLearner


class LatentLearner(TensorLearner):
    """Base of learners that change a real number behind each one-bit weight.

    The network only ever sees +-1. Latent weights are in the group `latent`.
    """

    bits = 1
    modes = ("sign",)

    def begin(self) -> None:
        """Latent weights uniform in [-init, init], and the optimiser's moments."""
        self.groups["latent"] = [
            (2 * torch.rand(shape, generator=self.generator) - 1) * self.config.init
            for shape in self.layers.shapes
        ]
        self.add_optimiser(self.config.optimiser, self.groups["latent"])

    def weights(self, mode: str | None = None) -> list[Tensor]:
        self.checked_mode(mode)
        return [signs(w) for w in self.groups["latent"]]

    def loss_gradients(
        self, weights: Sequence[Tensor], inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Mean negative log likelihood, and its gradients at these weights."""
        return self.gradients(
            lambda w: self.head.losses(self.layers(w, inputs), targets).mean(), weights
        )
