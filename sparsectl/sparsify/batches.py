"""Windows of training and validation, and the order in which batches are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsectl import seeding
from sparsectl.dynamics import TrainConfig, Trajectories
from sparsectl.dynamics.windows import Windows, windows

Loss = Callable[[Windows, Tensor], Tensor]
"""(windows, indices of a batch) -> scalar."""


@dataclass(frozen=True)
class Batches:
    """Training and validation windows.

    Attributes:
        training: what gradients are taken on.
        held: what decides which weights are kept.
    """

    training: Windows
    held: Windows

    @classmethod
    def of(cls, data: tuple[Trajectories, Trajectories], config: TrainConfig) -> Batches:
        """Windows of `config.rollout_steps` transitions, float32, on the CPU."""
        device = torch.device("cpu")
        first, second = (windows(d, config.rollout_steps, device, torch.float32) for d in data)
        return cls(first, second)

    def order(self, config: TrainConfig, purpose: str) -> Iterator[Tensor]:
        """Indices of endless batches: every window once an epoch."""
        size = min(config.batch_size, len(self.training))
        epoch = 0
        while True:
            generator = torch.Generator()
            generator.manual_seed(seeding.integer(config.seed, "order", purpose, epoch))
            order = torch.randperm(len(self.training), generator=generator)
            yield from order[: len(order) // size * size].split(size)
            epoch += 1
