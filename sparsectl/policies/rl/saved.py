"""Where training by reinforcement learning stands: tensors and JSON, nothing pickled.

Stable-Baselines3's own archives are not used: to read one is to unpickle it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch

from sparsectl import runs
from sparsectl.dynamics.progress import moments, set_moments
from sparsectl.errors import CheckpointError
from sparsectl.policies.rl import progress
from sparsectl.policies.rl.algorithms import Algorithm, Soft

Outcome = Literal["running", "finished", "diverged"]


@dataclasses.dataclass
class Progress(progress.Progress):
    """Where training stands; `tensors` are networks, statistics and optimisers.

    Attributes:
        rounds: rounds of training episodes that were begun.
        updates: the algorithm's count of updates.
        outcome: `running`, `finished`, or `diverged`: weights became non-finite.
        message: what happened, of a run that diverged.
    """

    kind: ClassVar[str] = "reinforcement learning"
    rounds: int = 0
    updates: int = 0
    outcome: Outcome = "running"
    message: str = ""


def tensors(model: Algorithm) -> dict[str, np.ndarray]:
    """Networks, statistics and optimisers by name."""
    groups = {"weights": model.policy.state_dict()}
    groups |= {name: moments(optimizer) for name, optimizer in model.optimizers().items()}
    if isinstance(model, Soft):
        groups["entropy weight"] = {"log": model.log_ent_coef}
    return runs.joined(groups)


def set_tensors(model: Algorithm, arrays: Mapping[str, np.ndarray]) -> None:
    """Put back what `tensors` returned.

    Raises:
        CheckpointError: they belong to other networks.
    """
    groups, optimizers = runs.grouped(arrays), model.optimizers()
    weight = groups.pop("entropy weight", {}).get("log")
    if isinstance(model, Soft) and weight is not None:
        model.log_ent_coef.data.copy_(weight)  # type: ignore[union-attr]
    for group in groups:
        if group not in ("weights", *optimizers):
            raise CheckpointError(
                f"training holds '{group}', expected {sorted(['weights', *optimizers])}"
            )
    try:
        model.policy.load_state_dict(groups.get("weights", {}))
        for name, optimizer in optimizers.items():
            set_moments(optimizer, groups.get(name, {}))
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(f"training does not fit the policy's networks: {error}") from error


def finite(model: Algorithm) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(torch.isfinite(p).all()) for p in model.policy.parameters())
