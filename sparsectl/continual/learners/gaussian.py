"""A Gaussian belief about every weight, independent of the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from sparsectl.continual.layers import Layers
from sparsectl.continual.learners.tensors import TensorLearner

FLOOR = 1e-16
"""Added to the variance of fields, whose root has no gradient at 0 (an input of zeros)."""


def noisy_fields(
    layers: Layers,
    means: Sequence[Tensor],
    deviations: Sequence[Tensor],
    x: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Fields of the last layer with weights drawn anew for every example. Shape (n, n_out).

    The local reparameterisation (Kingma, Salimans and Welling 2015, eq. 6): the sum over inputs
    of Gaussian weights is a Gaussian field, and that is what is drawn, one number for each
    example and neuron.

    Args:
        means, deviations: of the weights, one matrix for each layer.
        x: Shape (n, n_in).
    """
    a = x
    for i, (m, s) in enumerate(zip(means, deviations, strict=True)):
        a = layers.extended(a, i) * layers.scale(m.shape[1])
        z = a @ m.mT
        variance = a.square() @ s.square().mT + FLOOR
        z = z + variance.sqrt() * torch.randn(z.shape, generator=generator)
        a = layers.activate(z) if i < len(means) - 1 else z
    return a


class GaussianLearner(TensorLearner):
    """Base of learners with two numbers a weight while learning, and one, its mean, deployed.

    Test mode `mean` has the mean weights and `sample` one draw of them, the same at every call.
    """

    bits = 32
    modes = ("mean", "sample")

    @abstractmethod
    def belief(self) -> tuple[list[Tensor], list[Tensor]]:
        """Means and standard deviations of the weights, of `layers.shapes`."""

    def drawn(self, generator: torch.Generator) -> list[Tensor]:
        """Weights drawn from the belief."""
        return [
            m + s * torch.randn(m.shape, generator=generator)
            for m, s in zip(*self.belief(), strict=True)
        ]

    def weights(self, mode: str | None = None) -> list[Tensor]:
        if self.checked_mode(mode) == "sample":
            return self.drawn(self.looking())
        return self.belief()[0]

    @torch.no_grad()
    def samples(self, inputs: Tensor, count: int) -> Tensor:
        generator = self.looking()
        return torch.stack(
            [self.head.predict(self.layers(self.drawn(generator), inputs)) for _ in range(count)]
        )
