"""Policy networks on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sparsectl import checkpoint
from sparsectl.config import from_dict, to_dict
from sparsectl.errors import CheckpointError, SparsectlError
from sparsectl.policies.network import NetworkConfig, PolicyNetwork

KIND = "policy network"


def save(network: PolicyNetwork, path: str | Path, meta: Mapping[str, Any] | None = None) -> Path:
    """Write a policy network as a checkpoint directory; one that was there is replaced.

    Args:
        network: its weights must be finite.
        meta: provenance: by convention `env_id`, `env_kwargs`, `made_by`, `env_steps`,
            `cpu_seconds`.

    Raises:
        CheckpointError: non-finite parameters or an unwritable place.
    """
    config = {"network": to_dict(network.config)}
    tensors = {k: v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    return checkpoint.save_tensors(path, tensors, config, {**(meta or {}), "kind": KIND})


def load(path: str | Path) -> tuple[PolicyNetwork, dict[str, Any]]:
    """Read a policy network and its meta data.

    Raises:
        CheckpointError: see `checkpoint.load_tensors`; also something else than a policy network,
            or tensors that do not fit the configuration.
    """
    path = Path(path)
    stored = checkpoint.load_kind(path, KIND, f"a {KIND}")
    tensors = stored.tensors
    try:
        config = from_dict(NetworkConfig, stored.config.get("network") or {}, "network")
        box = tensors["low"], tensors["high"]
        network = PolicyNetwork(config, len(tensors["mean"]), *box)
        network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in tensors.items()})
    except (SparsectlError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: tensors and config do not fit: {error}") from error
    return network, stored.meta
