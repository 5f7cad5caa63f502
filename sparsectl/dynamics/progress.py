"""Training checkpoints: everything a killed run needs to go on, as tensors and JSON."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl import checkpoint
from sparsectl.config import to_dict
from sparsectl.dynamics.config import TrainConfig
from sparsectl.dynamics.windows import Trajectories
from sparsectl.errors import CheckpointError, ConfigError


@dataclass
class Progress:
    """Where training stands. Random numbers are functions of (seed, member, step), so no
    generator state belongs to it.

    Attributes:
        member: network in training.
        step: its gradient steps done.
        best: its lowest validation error.
        best_step: where that was.
        stale: checks since then.
        done: whether all members are trained.
        history: one row per check.
        weights: state dict of the whole model at `step`.
        best_weights: state dict of the member at `best_step`.
        moments: optimiser tensors by "index/name".
    """

    member: int = 0
    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    stale: int = 0
    done: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    moments: dict[str, Tensor] = field(default_factory=dict)

    def save(self, path: Path, fingerprint: dict[str, Any]) -> None:
        """Write atomically; the checkpoint before stays intact if this fails."""
        groups = {"model": self.weights, "best": self.best_weights, "adam": self.moments}
        tensors = {
            f"{group}/{name}": tensor.detach().cpu().numpy()
            for group, values in groups.items()
            for name, tensor in values.items()
        }
        state = {name: getattr(self, name) for name in _SCALARS}
        if not np.isfinite(self.best):
            state["best"] = None
        config = {"state": state, "fingerprint": fingerprint}
        checkpoint.save_tensors(path, tensors, config, {"kind": "training"})

    @classmethod
    def load(cls, path: Path, fingerprint: dict[str, Any]) -> Progress:
        """Read what `save` wrote.

        Raises:
            CheckpointError: damaged, or no training checkpoint.
            ConfigError: it belongs to another configuration or other data.
        """
        stored = checkpoint.load_tensors(path)
        if stored.meta.get("kind") != "training":
            raise CheckpointError(f"'{path}' is no training checkpoint")
        _same(stored.config.get("fingerprint"), fingerprint, path)
        state = dict(stored.config["state"])
        if state["best"] is None:
            state["best"] = float("inf")
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "adam": {}}
        for name, array in stored.tensors.items():
            group, _, rest = name.partition("/")
            groups[group][rest] = torch.from_numpy(array.copy())
        return cls(
            **state,
            weights=groups["model"],
            best_weights=groups["best"],
            moments=groups["adam"],
        )


_SCALARS = ("member", "step", "best", "best_step", "stale", "done", "history")


def fingerprint(dynamics: nn.Module, config: TrainConfig, data: Trajectories) -> dict[str, Any]:
    """What must be equal for a run to be continued."""
    digest = hashlib.sha256()
    for states, actions in zip(data.states, data.actions, strict=True):
        digest.update(np.ascontiguousarray(states).tobytes())
        digest.update(np.ascontiguousarray(actions).tobytes())
    train = to_dict(dataclasses.replace(config, device="auto"))
    return {"train": train, "model": to_dict(dynamics.config), "data": digest.hexdigest()}


def _same(stored: Any, now: dict[str, Any], path: Path) -> None:
    if stored == now:
        return
    old = _flat(stored if isinstance(stored, dict) else {})
    new = _flat(now)
    changes = [
        "the data" if key == "data" else f"{key} ({old.get(key)} -> {new.get(key)})"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    ]
    raise ConfigError(
        f"training in '{path}' was started with another configuration; changed: "
        f"{', '.join(changes)}. Put it back, use another folder, or force a fresh start"
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            rows.update(_flat(value, f"{prefix}{key}."))
        else:
            rows[f"{prefix}{key}"] = value
    return rows


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
