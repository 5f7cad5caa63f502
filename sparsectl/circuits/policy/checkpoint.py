"""Policies on disk."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparsectl import checkpoint
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.body import Body, parse, show
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.policy.config import CircuitConfig, MLPPolicyConfig
from sparsectl.circuits.policy.mlp import MLPPolicy, RandomPolicy, ZeroPolicy
from sparsectl.config import from_dict, to_dict
from sparsectl.errors import CheckpointError, SparsectlError, one_of

_KINDS: dict[str, type[MotorPolicy]] = {
    "circuit": Circuit,
    "mlp": MLPPolicy,
    "random": RandomPolicy,
    "zero": ZeroPolicy,
}
_LARGEST, _MOST_PARAMETERS = 100_000, 100_000_000


def save(policy: MotorPolicy, path: str | Path, meta: Mapping[str, Any] | None = None) -> Path:
    """Write a policy as a checkpoint directory; one that was there before is replaced.

    Args:
        meta: provenance, by convention `env_id`, `env_kwargs`, `steps`, `return`.

    Raises:
        CheckpointError: non-finite parameters or an unwritable place.
    """
    config = {"policy": describe(policy), "body": _body(policy.body)}
    tensors = {k: v.detach().cpu().numpy() for k, v in policy.state_dict().items()}
    return checkpoint.save_tensors(path, tensors, config, {"kind": "policy", **(meta or {})})


def load(path: str | Path) -> tuple[MotorPolicy, dict[str, Any]]:
    """Read a policy and its meta data.

    Raises:
        CheckpointError: see `checkpoint.load_tensors`; also something else than a policy, or
            tensors that do not fit the configuration.
    """
    path = Path(path)
    stored = checkpoint.load_kind(path, "policy", "a policy")
    where = path / "config.json"
    try:
        policy = build(stored.config.get("policy"), _read_body(stored.config.get("body")))
    except (SparsectlError, RuntimeError, ValueError, MemoryError) as error:
        raise CheckpointError(f"{where}: {error}") from error
    _check(policy, stored.tensors, path / "model.safetensors")
    policy.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in stored.tensors.items()})
    return policy, stored.meta


def describe(policy: MotorPolicy) -> dict[str, Any]:
    """Plain form of a policy without its parameters and body: what `build` needs."""
    if isinstance(policy, Circuit):
        return {
            "kind": "circuit",
            "config": to_dict(policy.config),
            "lesions": list(policy.lesions),
        }
    if isinstance(policy, MLPPolicy):
        return {"kind": "mlp", "config": to_dict(policy.config)}
    if isinstance(policy, RandomPolicy):
        return {"kind": "random", "seed": policy.seed}
    return {"kind": "zero"}


def build(description: Any, body: Body) -> MotorPolicy:
    """A policy from its plain form, with initial parameters.

    Args:
        description: see `describe`; `kind` alone is enough.

    Raises:
        ConfigError, CheckpointError: an unknown kind, key or value.
    """
    if not isinstance(description, Mapping):
        raise CheckpointError(f"policy: expected a mapping, got {type(description).__name__}")
    kind = description.get("kind")
    one_of(kind, _KINDS, "unknown kind of policy", CheckpointError)
    given = description.get("config") or {}
    if kind == "circuit":
        lesions = tuple(map(str, description.get("lesions") or ()))
        return Circuit(from_dict(CircuitConfig, given, "policy"), body, lesions)
    if kind == "mlp":
        config = from_dict(MLPPolicyConfig, given, "policy")
        widths = [body.size, *config.hidden, body.joints]
        count = sum(a * b for a, b in pairwise(widths))
        if count > _MOST_PARAMETERS:
            raise CheckpointError(
                f"policy: hidden is {list(config.hidden)}: {count} parameters are more than "
                f"{_MOST_PARAMETERS}"
            )
        return MLPPolicy(config, body)
    seed = description.get("seed", 0)
    return RandomPolicy(body, int(seed)) if kind == "random" else ZeroPolicy(body)


def _body(body: Body) -> dict[str, Any]:
    return {
        "joints": body.joints,
        "angles": show(body.angles),
        "limit": body.limit,
        "target": show(body.target),
        "size": body.size,
    }


def _read_body(value: Any) -> Body:
    keys = {"joints", "angles", "limit", "target", "size"}
    if not isinstance(value, Mapping) or set(value) != keys:
        raise CheckpointError(f"body: expected a mapping with {', '.join(sorted(keys))}")
    angles, target = (parse(str(value[k])) for k in ("angles", "target"))
    size, limit = value["size"], value["limit"]
    if target is None and value["target"] is not None:
        raise CheckpointError(f"body: target {value['target']!r}, expected a range or null")
    if angles is None or not isinstance(size, int) or not 0 < size <= _LARGEST:
        raise CheckpointError(f"body: angles {value['angles']!r} in an observation of {size!r}")
    if not isinstance(limit, int | float):
        raise CheckpointError(f"body: the joint limit is {limit!r}, expected a number")
    return Body(value["joints"], angles, float(limit), target, size)


def _check(policy: MotorPolicy, found: Mapping[str, np.ndarray], where: Path) -> None:
    expected = policy.state_dict()
    for name, tensor in expected.items():
        if name not in found:
            raise CheckpointError(f"{where}: tensor '{name}' is missing")
        if found[name].shape != tuple(tensor.shape) or found[name].dtype.kind != "f":
            raise CheckpointError(
                f"{where}: tensor '{name}' is {found[name].dtype} of shape {found[name].shape}, "
                f"expected float64 of shape {tuple(tensor.shape)}: was the policy trained on a "
                f"body of {policy.body.joints} joints?"
            )
    extra = sorted(set(found) - set(expected))
    if extra:
        raise CheckpointError(f"{where}: tensor '{extra[0]}' is not part of the policy")
