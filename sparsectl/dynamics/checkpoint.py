"""Trained models on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparsectl import checkpoint
from sparsectl.config import from_dict, to_dict
from sparsectl.dynamics.graph_config import GraphConfig
from sparsectl.dynamics.mlp import MLPConfig
from sparsectl.dynamics.models import Model, ModelConfig, build
from sparsectl.environment import same_id
from sparsectl.errors import CheckpointError, SparsectlError, one_of

_KINDS: dict[str, type[ModelConfig]] = {"mlp": MLPConfig, "graph": GraphConfig}
_LARGEST_STATE = 100_000


def save(
    dynamics: Model,
    path: str | Path,
    meta: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model as a checkpoint directory.

    Args:
        meta: provenance, by convention `env_id`, `env_kwargs`, `dataset_id`, `metrics`.

    Raises:
        CheckpointError: non-finite weights or an unwritable place.
    """
    config = {
        "kind": "graph" if isinstance(dynamics.config, GraphConfig) else "mlp",
        "model": to_dict(dynamics.config),
        "names": {name: [part.start, part.stop] for name, part in dynamics.names.items()},
        "nx": dynamics.nx,
        "nu": dynamics.nu,
    }
    tensors = {k: v.detach().cpu().numpy() for k, v in dynamics.state_dict().items()}
    return checkpoint.save_tensors(path, tensors, config, {"kind": "dynamics", **(meta or {})})


def load(path: str | Path) -> tuple[Model, dict[str, Any]]:
    """Read a model, on the CPU, in evaluation mode, and its meta data.

    Raises:
        CheckpointError: see `checkpoint.load_tensors`; also tensors that are missing, too many
            or of other shapes than the configuration's.
    """
    path = Path(path)
    stored = checkpoint.load_kind(path, "dynamics", "a dynamics model")
    where = path / "config.json"
    config, names, nx, nu = _read_config(stored.config, where)
    try:
        with torch.device("meta"):
            expected = build(config, names, nx, nu).state_dict()
        _check_tensors(expected, stored.tensors, path / "model.safetensors")
        dynamics = build(config, names, nx, nu)
    except CheckpointError:
        raise
    except (SparsectlError, RuntimeError, ValueError, MemoryError) as error:
        raise CheckpointError(f"{where}: {error}") from error
    tensors = {k: torch.from_numpy(v.copy()) for k, v in stored.tensors.items()}
    _as_precise(dynamics, tensors)
    dynamics.load_state_dict(tensors)
    return dynamics.eval().requires_grad_(False), stored.meta


def start_from(dynamics: Model, path: str | Path) -> None:
    """Give a model the weights and the normalisation of a checkpoint of the same architecture.

    Graph models may be of another number of objects: their networks are shared. Of the
    environment that the checkpoint was trained in nothing is asked.

    Raises:
        CheckpointError: see `load`; also another architecture, or other sizes.
    """
    source, _ = load(path)
    if source.config != dynamics.config:
        before, now = (to_dict(m.config) for m in (source, dynamics))
        other = [k for k in now if before.get(k) != now[k]] or ["kind"]
        raise CheckpointError(
            f"'{path}' cannot be started from, its model's {other[0]} is "
            f"{before.get(other[0])!r}, here {now.get(other[0])!r}"
        )
    tensors = {k: v.detach().cpu().numpy() for k, v in source.state_dict().items()}
    _check_tensors(dynamics.state_dict(), tensors, Path(path))
    _as_precise(dynamics, source.state_dict())
    dynamics.load_state_dict(source.state_dict())


def _as_precise(dynamics: Model, tensors: Mapping[str, torch.Tensor]) -> None:
    """Make a model one of 64-bit numbers where the tensors that it will hold are."""
    if any(tensor.dtype == torch.float64 for tensor in tensors.values()):
        dynamics.double()


def check_compatible(
    meta: Mapping[str, Any],
    *,
    env_id: str,
    dynamics: Model,
    nx: int,
    nu: int,
    names: Mapping[str, slice],
    where: str | Path = "the checkpoint",
) -> None:
    """Refuse a model of another environment or of other states or actions.

    Raises:
        CheckpointError: showing both sides.
    """
    trained = meta.get("env_id")
    if trained and not same_id(trained, env_id):
        raise CheckpointError(f"{where} was trained for '{trained}', the task is '{env_id}'")
    if (dynamics.nx, dynamics.nu) != (nx, nu):
        raise CheckpointError(
            f"{where} has {dynamics.nx} states and {dynamics.nu} actions, the task in '{env_id}' "
            f"has {nx} and {nu}"
        )
    if dynamics.names != dict(names):
        raise CheckpointError(
            f"{where} has the state parts {_show(dynamics.names)}, the task in '{env_id}' has "
            f"{_show(names)}"
        )


def _show(names: Mapping[str, slice]) -> str:
    return ", ".join(f"{k} {v.start}:{v.stop}" for k, v in names.items())


def _read_config(
    config: Mapping[str, Any], where: Path
) -> tuple[ModelConfig, dict[str, slice], int, int]:
    kind: Any = config.get("kind")
    one_of(kind, _KINDS, f"{where}: unknown model kind", CheckpointError)
    nx: Any = config.get("nx")
    nu: Any = config.get("nu")
    parts = config.get("names")
    if not (_is_size(nx) and _is_size(nu) and isinstance(parts, dict)):
        raise CheckpointError(f"{where}: nx, nu or names is missing or of the wrong type")
    names: dict[str, slice] = {}
    end = 0
    for name, part in parts.items():
        start: Any
        stop: Any
        start, stop = part if isinstance(part, list) and len(part) == 2 else (None, None)
        if start != end or not _is_size(stop) or stop <= end:
            raise CheckpointError(f"{where}: state part '{name}' has the range {part!r}")
        names[name] = slice(end, stop)
        end = stop
    if end != nx:
        raise CheckpointError(f"{where}: state parts end at {end}, nx is {nx}")
    try:
        model = from_dict(_KINDS[kind], config.get("model", {}), str(where))
    except SparsectlError as error:
        raise CheckpointError(str(error)) from error
    return model, names, nx, nu


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_STATE


def _check_tensors(
    expected: Mapping[str, torch.Tensor], found: Mapping[str, np.ndarray], where: Path
) -> None:
    for name, tensor in expected.items():
        if tensor.dtype == torch.int8 and name not in found:
            continue  # kinds of neurons: models were saved without them once
        if name not in found:
            raise CheckpointError(f"{where}: tensor '{name}' is missing")
        if found[name].shape != tuple(tensor.shape):
            raise CheckpointError(
                f"{where}: tensor '{name}' has shape {found[name].shape}, expected "
                f"{tuple(tensor.shape)}"
            )
        if tensor.dtype == torch.int8:
            if found[name].dtype != np.int8 or not np.isin(found[name], (0, 1, 2)).all():
                raise CheckpointError(f"{where}: '{name}' holds other values than 0, 1 and 2")
        elif found[name].dtype.kind != "f":
            raise CheckpointError(f"{where}: tensor '{name}' has type {found[name].dtype}")
    extra = sorted(set(found) - set(expected))
    if extra:
        raise CheckpointError(f"{where}: tensor '{extra[0]}' is not part of the model")
