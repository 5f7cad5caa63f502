"""The kinds of models there are, and from a config to an untrained one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from sparsectl import seeding
from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.graph import GraphDynamics
from sparsectl.dynamics.graph_config import GraphConfig, objects
from sparsectl.dynamics.mlp import MLPDynamics
from sparsectl.dynamics.mlp_config import MLPConfig
from sparsectl.dynamics.structure import resolve

Network: TypeAlias = MLPDynamics | GraphDynamics
"""A model that is trained by itself."""
Model: TypeAlias = MLPDynamics | EnsembleDynamics | GraphDynamics
ModelConfig: TypeAlias = MLPConfig | GraphConfig


def build(
    config: ModelConfig,
    names: Mapping[str, slice],
    nx: int,
    nu: int,
    *,
    seed: int = 0,
    copies: Mapping[str, str] | None = None,
) -> Model:
    """Untrained model with random weights.

    Args:
        names: slice of the state by part, as `StateMap.names`.
        seed: seed of the initial weights; every member gets its own stream.
        copies: parts that are the past, as `StateMap.copies`; a graph learns them.

    Raises:
        ConfigError: structure that does not fit the names and sizes.
    """
    if isinstance(config, GraphConfig):
        return GraphDynamics(config, names, nx, nu, seed=seeding.integer(seed, "weights", 0))
    if copies:
        found = {**copies, **config.structure.copies}
        config = replace(config, structure=replace(config.structure, copies=found))
    members = [
        MLPDynamics(config, names, nx, nu, seed=seeding.integer(seed, "weights", i))
        for i in range(config.members)
    ]
    return members[0] if config.members == 1 else EnsembleDynamics(members)


def check(config: ModelConfig, names: Mapping[str, slice], nx: int, nu: int) -> None:
    """Fit a config to a state and an action, without building anything.

    Raises:
        ConfigError: see `build`.
    """
    if isinstance(config, GraphConfig):
        objects(config, names, nx, nu)
    else:
        resolve(config.structure, names, nx, nu)
