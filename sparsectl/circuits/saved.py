"""Where training stands, in a run's folder; and what must be equal for a run to be continued."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from sparsectl import checkpoint, files
from sparsectl.circuits.curve import CURVE, Row
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.config import differences, to_dict
from sparsectl.errors import CheckpointError, ConfigError

STATE, POLICY = "training", "policy"
"""Folders within a run's: where training stands, and the policy of the last evaluation."""


@dataclasses.dataclass
class Progress:
    """Where training stands.

    Attributes:
        steps: environment steps used.
        seconds: wall-clock time used.
        cpu_seconds: processor time used; None where an older version did not save it.
        diverged: training episodes without a return so far.
        done: whether training is over.
        rows: of the curve.
        arrays: of the strategy.
    """

    steps: int = 0
    seconds: float = 0.0
    cpu_seconds: float | None = 0.0
    diverged: int = 0
    done: bool = False
    rows: list[Row] = dataclasses.field(default_factory=list)
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def save(self, folder: Path, fingerprint: dict[str, Any]) -> None:
        """Write atomically; what was there before stays intact if this fails."""
        state = {name: getattr(self, name) for name in _SCALARS}
        config = {"state": state, "fingerprint": fingerprint}
        checkpoint.save_tensors(folder / STATE, self.arrays, config, {"kind": "evolution"})


_SCALARS = ("steps", "seconds", "cpu_seconds", "diverged", "done", "rows")


def load(folder: Path, fingerprint: dict[str, Any]) -> Progress | None:
    """What `Progress.save` wrote; None where nothing was.

    Raises:
        CheckpointError: damaged, or of another kind.
        ConfigError: the run was started with other settings; they are named.
    """
    path = folder / STATE
    if not checkpoint.exists(path):
        return None
    stored = checkpoint.load_tensors(path)
    state = stored.config.get("state")
    if stored.meta.get("kind") != "evolution" or not isinstance(state, dict):
        raise CheckpointError(f"'{path}' is no checkpoint of evolution")
    same(stored.config.get("fingerprint"), fingerprint, folder)
    state.setdefault("cpu_seconds", None)
    return Progress(**{name: state[name] for name in _SCALARS}, arrays=stored.tensors)


def prepare(folder: Path, force: bool) -> None:
    """Make the folder usable for a new run.

    Args:
        folder: of the run.
        force: remove the run that is there.

    Raises:
        FileError: it holds something else than a run, or cannot be written.
    """
    if force:
        for name in (STATE, POLICY):
            shutil.rmtree(folder / name, ignore_errors=True)
            shutil.rmtree(folder / f".{name}.previous", ignore_errors=True)
        (folder / CURVE).unlink(missing_ok=True)
    if not checkpoint.exists(folder / STATE):
        # Hidden names are what a save that was killed leaves behind.
        left = folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir())
        files.fresh_folder(folder, force=force or not left)


def fingerprint(policy: nn.Module, spec: EnvSpec, config: TrainConfig) -> dict[str, Any]:
    """Settings, environment, and the policy's structure and first weights.

    Engine and workers are not part of it: a run may be continued with others.
    """
    train = to_dict(dataclasses.replace(config, engine="serial", workers=1))
    digest = hashlib.sha256()
    for name, tensor in policy.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return {
        "train": train,
        "env": {"id": spec.id, "kwargs": to_dict(dict(spec.kwargs))},
        "policy": {
            "kind": type(policy).__name__,
            "config": _plain(getattr(policy, "config", None)),
            "lesions": _plain(getattr(policy, "lesions", ())),
            "body": _plain(getattr(policy, "body", None)),
            "weights": digest.hexdigest(),
        },
    }


def _plain(value: Any) -> Any:
    """JSON form of a config; what has none is compared as text."""
    value = to_dict(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def same(stored: Any, now: dict[str, Any], folder: Path) -> None:
    """Refuse to continue a run of other settings.

    Raises:
        ConfigError: naming what changed.
    """
    changes = [
        "the policy's first weights" if change.startswith("policy.weights ") else change
        for change in differences(stored, now)
    ]
    if changes:
        raise ConfigError(
            f"the run in '{folder}' was started with other settings; changed: "
            f"{', '.join(changes)}. Put them back, choose another folder, or force a fresh start"
        )
