"""From a config to an untrained model."""

from __future__ import annotations

from collections.abc import Mapping

from sparsectl import seeding
from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.mlp import MLPConfig, MLPDynamics


def build(
    config: MLPConfig, names: Mapping[str, slice], nx: int, nu: int, *, seed: int = 0
) -> MLPDynamics | EnsembleDynamics:
    """Untrained model with random weights.

    Args:
        config: architecture.
        names: slice of the state by part, as `StateMap.names`.
        nx: size of the state.
        nu: size of the action.
        seed: seed of the initial weights; every member gets its own stream.

    Raises:
        ConfigError: structure that does not fit the names and sizes.
    """
    members = [
        MLPDynamics(config, names, nx, nu, seed=seeding.integer(seed, "weights", i))
        for i in range(config.members)
    ]
    return members[0] if config.members == 1 else EnsembleDynamics(members)
