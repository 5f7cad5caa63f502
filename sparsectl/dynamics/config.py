"""How a model is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sparsectl.checks import within
from sparsectl.errors import ConfigError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TrainConfig:
    """Multi-step training of a dynamics model."""

    steps: int = 6_000
    """Gradient steps of each member."""
    batch_size: int = 256
    """Windows in a batch."""
    optimizer: Literal["soap", "adamw"] = "soap"
    """`soap`: Adam in the eigenbasis of every layer's gradients (Vyas et al. 2024), which gets
    further in the same steps; `adamw`: a quarter to a third less time a step."""
    learning_rate: float = 2e-2
    """Peak learning rate; 0.01 suits `adamw` better."""
    schedule: Literal["cosine", "onecycle", "constant"] = "onecycle"
    """`cosine`: decay to zero; `onecycle`: rise over the first 30 %, then decay to zero."""
    rollout_steps: int = 5
    """Length k of the open-loop rollout in the loss."""
    loss: Literal["l2", "l1", "huber"] = "huber"
    """Penalty of errors in units of the one-step change's standard deviation."""
    noise: float = 0.0
    """Standard deviation of noise on the first state of a window, in units of the one-step
    change's standard deviation."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    grad_clip: float | None = 1.0
    """Largest gradient norm; null: no clipping."""
    validation_fraction: float = 0.1
    """Fraction of the episodes that decides when to stop and which weights to keep."""
    check_every: int = 500
    """Steps between two checks on the validation episodes (and training checkpoints)."""
    patience: int | None = None
    """Checks without a better validation error before stopping; null: never stop early."""
    seed: int = 0
    """Seed of splits, batches, noise and (in an ensemble) resampled episodes."""
    device: str = "auto"
    """`auto` (a GPU when there is one), `cpu`, `cuda` or `cuda:N`."""
    tensorboard: bool = False
    """Also log every check for TensorBoard, in the run's folder `tensorboard`."""

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "rollout_steps", "check_every", "patience")
        within(self, "train", "[1, inf)", *counts)
        within(self, "train", "(0, inf)", "learning_rate", "grad_clip")
        within(self, "train", "[0, inf)", "noise", "weight_decay")
        within(self, "train", "(0, 1)", "validation_fraction")


def lasting(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain form of a `TrainConfig` without what changes no result."""
    return {key: value for key, value in values.items() if key != "tensorboard"}


def rate(config: TrainConfig, step: int) -> float:
    """Learning rate of a step: a function of the step alone, so that resuming is exact."""
    done = step / config.steps
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "onecycle":
        rise = 0.3
        if done < rise:
            return config.learning_rate * (0.04 + 0.96 * (1 - math.cos(math.pi * done / rise)) / 2)
        done = (done - rise) / (1 - rise)
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def select_device(name: str) -> torch.device:
    """Resolve `auto`, `cpu`, `cuda`, `cuda:N`.

    Raises:
        ConfigError: unknown, or a GPU that is not there.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device '{name}' (known: auto, cpu, cuda, cuda:N)") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"unknown device '{name}' (known: auto, cpu, cuda, cuda:N)")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device '{name}' is not there ({torch.cuda.device_count()} GPUs found): "
            "use 'auto' or 'cpu'"
        )
    return device
