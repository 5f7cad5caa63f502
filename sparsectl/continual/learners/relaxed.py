"""Beliefs over one-bit weights that are learnt through relaxed samples of them."""

from __future__ import annotations

import torch
from torch import Tensor

from sparsectl.continual.layers import signs
from sparsectl.continual.learners import posterior
from sparsectl.continual.learners.tensors import TensorLearner

ENDS = 1e-7
"""Uniform numbers are kept this far from 0 and 1, so that their logits are finite."""


class RelaxedLearner(TensorLearner):
    """Base of learners with independent +-1 weights, P(w = 1) = 1 / (1 + exp(-2 lambda)).

    The natural parameters lambda are in the group `natural`. Training sees relaxed weights
    tanh((lambda + d) / t), where d is half a logistic random number (Maddison et al. 2017, Jang
    et al. 2017); at small t they are nearly +-1.

    Modes: `mean`: weights tanh(lambda); `sample`: the mean prediction of `draws` networks of
    sampled +-1 weights; `sign`: sign(lambda), one bit a weight.
    """

    bits = 1
    modes = ("mean", "sample", "sign")

    def relaxed(self, count: int, temperature: float) -> list[Tensor]:
        """Relaxed weights for training, `count` sets: shapes (count, outputs, inputs)."""
        return [
            torch.tanh((w + self._noise((count, *w.shape))) / temperature)
            for w in self.groups["natural"]
        ]

    def _noise(self, shape: tuple[int, ...]) -> Tensor:
        return 0.5 * torch.logit(torch.rand(shape, generator=self.generator), eps=ENDS)

    def weights(self, mode: str | None = None) -> list[Tensor]:
        """Weights of a mode; `sample`: one draw, the same at every call between two steps."""
        mode, natural = self.checked_mode(mode), self.groups["natural"]
        if mode == "sample":
            return [w[0] for w in self._drawn(1)]
        return [torch.tanh(w) if mode == "mean" else signs(w) for w in natural]

    def _drawn(self, count: int) -> list[Tensor]:
        generator = self.looking()
        return [
            posterior.sample(w.expand(count, *w.shape), generator) for w in self.groups["natural"]
        ]

    @torch.no_grad()
    def predict(self, inputs: Tensor, mode: str | None = None) -> Tensor:
        if self.checked_mode(mode) == "sample":
            return self.samples(inputs, self.config.draws).mean(0)
        return super().predict(inputs, mode)

    @torch.no_grad()
    def samples(self, inputs: Tensor, count: int) -> Tensor:
        return self.head.predict(self.layers(self._drawn(count), inputs))

    def losses(self, weights: list[Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log likelihoods of `count` sets of weights. Shape (count, n)."""
        fields = self.layers(weights, inputs)
        count, n = fields.shape[:2]
        repeated = targets.repeat(count, *[1] * (targets.ndim - 1))
        return self.head.losses(fields.flatten(0, 1), repeated).reshape(count, n)

    def random_signs(self, size: float) -> list[Tensor]:
        """+-size with equal chances, for every weight."""
        return [
            signs(torch.rand(shape, generator=self.generator) - 0.5) * size
            for shape in self.layers.shapes
        ]
