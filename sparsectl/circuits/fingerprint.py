"""What must be equal for the training of a motor policy to be continued."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from torch import nn

from sparsectl import runs
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.config import to_dict


def fingerprint(policy: nn.Module, spec: EnvSpec, config: Any) -> dict[str, Any]:
    """Settings, environment, and the policy's structure and first weights.

    Args:
        policy: before training.
        config: of training; a run may be continued with other values of what is neutral in it.
    """
    digest = hashlib.sha256()
    for name, tensor in policy.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    parts = {name: getattr(policy, name, None) for name in ("config", "lesions", "body")}
    return {
        "train": to_dict(config),
        "env": {"id": spec.id, "kwargs": to_dict(dict(spec.kwargs))},
        "policy": {
            "kind": type(policy).__name__,
            **{name: runs.canonical(value) for name, value in parts.items()},
            "weights": digest.hexdigest(),
        },
    }
