"""What the last layer's fields mean: classes, or a Gaussian's mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sparsectl.errors import ConfigError, ShapeError

Kind = Literal["classification", "regression"]


@dataclass(frozen=True)
class Head:
    """Loss and prediction from fields z, shape (n, outputs).

    Classification: softmax and cross-entropy. Regression: a Gaussian of mean z and standard
    deviation `noise`, so the error that is sent back is (z - y) / noise^2 in place of
    softmax(z) - y.
    """

    kind: Kind
    outputs: int
    noise: float = 1.0

    def __post_init__(self) -> None:
        if self.outputs < 1 or not self.noise > 0:
            raise ConfigError(
                f"head of {self.outputs} outputs with noise {self.noise}: both must be positive"
            )

    def losses(self, z: Tensor, targets: Tensor) -> Tensor:
        """Negative log likelihood of each example, up to a constant. Shape (n,).

        Args:
            z: Shape (n, outputs).
            targets: labels (n,) of int64, or values (n, outputs).
        """
        if self.kind == "classification":
            return torch.nn.functional.cross_entropy(z, targets, reduction="none")
        return 0.5 * ((z - targets) / self.noise).square().sum(-1)

    def predict(self, z: Tensor) -> Tensor:
        """Class probabilities, or means. Shape (n, outputs)."""
        return z.softmax(-1) if self.kind == "classification" else z

    def check(self, inputs: Tensor, targets: Tensor, n_in: int) -> None:
        """Refuse a batch that does not fit.

        Raises:
            ShapeError: wrong shapes, or labels beyond the classes of this head.
        """
        n = len(inputs)
        if inputs.ndim != 2 or inputs.shape[1] != n_in:
            raise ShapeError(
                f"batch of inputs has shape {tuple(inputs.shape)}, expected (n, {n_in})"
            )
        if self.kind == "regression":
            if targets.shape != (n, self.outputs):
                raise ShapeError(
                    f"targets have shape {tuple(targets.shape)}, expected ({n}, {self.outputs})"
                )
            return
        if targets.shape != (n,) or targets.dtype.is_floating_point:
            raise ShapeError(
                f"labels have shape {tuple(targets.shape)} and type {targets.dtype}, expected "
                f"({n},) of integers"
            )
        if n and (int(targets.min()) < 0 or int(targets.max()) >= self.outputs):
            raise ShapeError(
                f"labels are {int(targets.min())} to {int(targets.max())}, expected 0 to "
                f"{self.outputs - 1}: there are {self.outputs} classes"
            )
