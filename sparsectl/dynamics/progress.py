"""Where training stands, and what must be equal for it to be continued."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sparsectl import runs
from sparsectl.config import to_dict
from sparsectl.dynamics.config import TrainConfig, lasting
from sparsectl.dynamics.windows import Trajectories


@dataclass
class Progress(runs.Progress):
    """Where training stands.

    Attributes:
        member: network in training.
        step: its gradient steps done.
        best: its lowest validation error.
        best_step: where that was.
        stale: checks since then.
        weights: state dict of the whole model at `step`.
        best_weights: state dict of the member at `best_step`.
        moments: optimiser tensors by "index/name".
    """

    kind: ClassVar[str] = "training"
    changed_names: ClassVar = {"data": "the data"}
    member: int = 0
    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    stale: int = 0
    done: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict, metadata={"group": "model"})
    best_weights: dict[str, Tensor] = field(default_factory=dict, metadata={"group": "best"})
    moments: dict[str, Tensor] = field(default_factory=dict, metadata={"group": "adam"})


def fingerprint(dynamics: nn.Module, config: TrainConfig, data: Trajectories) -> dict[str, Any]:
    """What must be equal for a run to be continued."""
    pairs = zip(data.states, data.actions, strict=True)
    train = lasting(to_dict(dataclasses.replace(config, device="auto")))
    content = runs.arrays_digest(array for pair in pairs for array in pair)
    return {"train": train, "model": to_dict(dynamics.config), "data": content}


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Optimiser tensors by "index/name"."""
    state = optimizer.state_dict()["state"]
    return {f"{i}/{name}": t for i, values in state.items() for name, t in values.items()}


def set_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `moments` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = tensor
    full = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": full["param_groups"]})
