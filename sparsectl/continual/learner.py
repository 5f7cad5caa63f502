"""What every continual learner offers: observe a batch, end a task, predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers, NetworkConfig
from sparsectl.errors import one_of


@dataclass(frozen=True)
class Observed:
    """What became of one batch.

    Attributes:
        outcome: `updated`; `empty` (no example); `not_finite_batch` (a NaN or infinity in the
            data) or `not_finite_step` (in the loss, gradients or new weights): skipped, the
            weights are what they were.
        loss: mean negative log likelihood before the step; NaN where nothing was learnt.
    """

    outcome: str
    loss: float = float("nan")


class ContinualLearner(ABC):
    """One network that sees a stream of tasks once, without replay.

    Args:
        seed: of initial weights, noise and sampled predictions.

    Attributes:
        bits: of one deployed weight.
        uses_boundaries: whether it must be told when a task ends.
        modes: ways of predicting, the default first.
        counters: how often each outcome of `observe` came.
    """

    bits: ClassVar[int]
    uses_boundaries: bool = False
    modes: ClassVar[tuple[str, ...]] = ("mean",)

    def __init__(
        self, config: Any, network: NetworkConfig, n_in: int, head: Head, seed: int = 0
    ) -> None:
        self.config, self.seed = config, seed
        self.layers, self.head = Layers(network, n_in, head.outputs), head
        self.generator = torch.Generator().manual_seed(seed)
        self.counters: Counter[str] = Counter()

    def observe(self, inputs: Tensor, targets: Tensor, *, examples: int | None = None) -> Observed:
        """Learn from one minibatch.

        Args:
            inputs: Shape (n, n_in), float32.
            targets: labels (n,) int64, or values (n, outputs) float32.
            examples: in the whole present task, where the learner weighs its prior by it;
                None: unknown.

        Raises:
            ShapeError: shapes or labels that do not fit.
        """
        self.head.check(inputs, targets, self.layers.n_in)
        observed = self._guarded(inputs, targets, examples) if len(inputs) else Observed("empty")
        self.counters[observed.outcome] += 1
        return observed

    def _guarded(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        finite = torch.isfinite(inputs).all()
        if targets.is_floating_point():
            finite = finite & torch.isfinite(targets).all()
        if not finite:
            return Observed("not_finite_batch")
        return self._observe(inputs, targets, examples)

    @abstractmethod
    def _observe(self, inputs: Tensor, targets: Tensor, examples: int | None) -> Observed:
        """One step on a finite, non-empty batch; leaves the weights alone where it fails."""

    def end_task(self) -> None:  # noqa: B027
        """Called at a task's end, but only where `uses_boundaries`."""

    @abstractmethod
    def weights(self, mode: str | None = None) -> list[Tensor]:
        """Deployed weight matrices, of `layers.shapes`: for `bits == 1` all entries are +-1,
        except in a mode that keeps means (`mean`)."""

    @torch.no_grad()
    def predict(self, inputs: Tensor, mode: str | None = None) -> Tensor:
        """Class probabilities or means. Shape (n, outputs).

        Args:
            inputs: Shape (n, n_in).
        """
        return self.head.predict(self.layers(self.weights(self.checked_mode(mode)), inputs))

    @torch.no_grad()
    def samples(self, inputs: Tensor, count: int) -> Tensor:
        """Predictions of `count` draws from the learner's belief over weights.

        Returns:
            Shape (count, n, outputs); learners without a belief return their prediction once.
        """
        return self.predict(inputs)[None]

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Everything that is needed to go on, random numbers too."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from `state()` of a learner built alike."""

    def checked_mode(self, mode: str | None) -> str:
        """A valid mode.

        Raises:
            ConfigError: the learner has no such mode.
        """
        if mode is None:
            return self.modes[0]
        one_of(mode, self.modes, f"{type(self).__name__}: no test mode")
        return mode
