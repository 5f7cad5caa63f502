"""Where training by reinforcement learning stands: tensors and JSON, nothing pickled.

Stable-Baselines3's own archives are not used: to read one is to unpickle it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sparsectl import checkpoint
from sparsectl.circuits import saved
from sparsectl.circuits.curve import Row
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.rl.algorithms import OffPolicy, OnPolicy
from sparsectl.circuits.rl.config import RLConfig
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.config import to_dict
from sparsectl.dynamics.progress import moments, set_moments
from sparsectl.errors import CheckpointError

KIND = "reinforcement learning"
Outcome = Literal["running", "finished", "diverged"]


@dataclasses.dataclass
class Progress:
    """Where training stands.

    Attributes:
        steps: environment steps used.
        seconds: wall-clock time used.
        cpu_seconds: processor time used; None where an older version did not save it.
        rounds: rounds of training episodes that were begun.
        updates: the algorithm's count of updates.
        diverged: training episodes whose simulation blew up.
        outcome: `running`, `finished`, or `diverged`: weights became non-finite.
        message: what happened, of a run that diverged.
        rows: of the curve.
        tensors: networks, statistics and optimisers at the last evaluation.
    """

    steps: int = 0
    seconds: float = 0.0
    cpu_seconds: float | None = 0.0
    rounds: int = 0
    updates: int = 0
    diverged: int = 0
    outcome: Outcome = "running"
    message: str = ""
    rows: list[Row] = dataclasses.field(default_factory=list)
    tensors: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def save(self, folder: Path, fingerprint: dict[str, Any]) -> None:
        """Write atomically; what was there before stays intact if this fails."""
        state = {name: getattr(self, name) for name in _SCALARS}
        config = {"state": state, "fingerprint": fingerprint}
        checkpoint.save_tensors(folder / saved.STATE, self.tensors, config, {"kind": KIND})


_SCALARS = tuple(f.name for f in dataclasses.fields(Progress) if f.name != "tensors")


def load(folder: Path, fingerprint: dict[str, Any]) -> Progress | None:
    """What `Progress.save` wrote; None where nothing was.

    Raises:
        CheckpointError: damaged, or of another kind of training.
        ConfigError: the run was started with other settings; they are named.
    """
    path = folder / saved.STATE
    if not checkpoint.exists(path):
        return None
    stored = checkpoint.load_tensors(path)
    state = stored.config.get("state")
    if stored.meta.get("kind") != KIND or not isinstance(state, dict):
        raise CheckpointError(
            f"'{path}' holds training by {stored.meta.get('kind')!r}, expected {KIND!r}: choose "
            "another folder"
        )
    saved.same(stored.config.get("fingerprint"), fingerprint, folder)
    state.setdefault("cpu_seconds", None)
    return Progress(**{name: state[name] for name in _SCALARS}, tensors=stored.tensors)


def fingerprint(policy: MotorPolicy, spec: EnvSpec, config: RLConfig) -> dict[str, Any]:
    """What must be equal for a run to be continued: all but the number of workers."""
    shared = saved.fingerprint(policy, spec, TrainConfig())
    return {**shared, "train": to_dict(dataclasses.replace(config, workers=1))}


def tensors(model: OnPolicy | OffPolicy) -> dict[str, np.ndarray]:
    """Networks, statistics and optimisers by name."""
    found = {f"weights/{name}": t for name, t in model.policy.state_dict().items()}
    for name, optimizer in model.optimizers().items():
        found |= {f"{name}/{key}": t for key, t in moments(optimizer).items()}
    return {name: t.detach().cpu().numpy().copy() for name, t in found.items()}


def set_tensors(model: OnPolicy | OffPolicy, arrays: dict[str, np.ndarray]) -> None:
    """Put back what `tensors` returned.

    Raises:
        CheckpointError: they belong to other networks.
    """
    groups: dict[str, dict[str, torch.Tensor]] = {"weights": {}}
    groups |= {name: {} for name in model.optimizers()}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        if group not in groups:
            raise CheckpointError(f"training holds '{name}', expected one of {sorted(groups)}")
        groups[group][rest] = torch.from_numpy(array.copy())
    weights = groups.pop("weights")
    try:
        model.policy.load_state_dict(weights)
        for name, optimizer in model.optimizers().items():
            set_moments(optimizer, groups[name])
    except (RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(f"training does not fit the policy's networks: {error}") from error


def finite(model: OnPolicy | OffPolicy) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(torch.isfinite(p).all()) for p in model.policy.parameters())
