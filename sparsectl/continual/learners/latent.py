"""Learners that use the sign of real latent weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.estimators import signs
from sparsectl.continual.learners.tensors import TensorLearner
from sparsectl.errors import ConfigError


class LatentLearner(TensorLearner):
    """Base of learners that change a real number behind each one-bit weight.

    The network only ever sees +-1. Latent weights are in the group `latent`.
    """

    bits = 1
    modes = ("sign",)

    def __init__(
        self, network: NetworkConfig, n_in: int, head: Head, seed: int, init: float
    ) -> None:
        super().__init__(network, n_in, head, seed)
        self.groups["latent"] = [
            (2 * torch.rand(shape, generator=self.generator) - 1) * init
            for shape in self.layers.shapes
        ]

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


def check_positive(owner: str, **values: float | None) -> None:
    """Refuse numbers that are not above 0; None passes.

    Raises:
        ConfigError: names the learner and the number.
    """
    for name, value in values.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{owner}: {name} is {value}, expected a finite number above 0")


def check_at_least(owner: str, least: float, **values: float | None) -> None:
    """Refuse numbers below `least`; None passes.

    Raises:
        ConfigError: names the learner and the number.
    """
    for name, value in values.items():
        if value is not None and not (math.isfinite(value) and value >= least):
            raise ConfigError(
                f"{owner}: {name} is {value}, expected a finite number from {least:g} on"
            )
