"""The kinds of models there are."""

from __future__ import annotations

from typing import TypeAlias

from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.graph import GraphDynamics
from sparsectl.dynamics.graph_config import GraphConfig
from sparsectl.dynamics.mlp import MLPConfig, MLPDynamics

Network: TypeAlias = MLPDynamics | GraphDynamics
"""A model that is trained by itself."""
Model: TypeAlias = MLPDynamics | EnsembleDynamics | GraphDynamics
ModelConfig: TypeAlias = MLPConfig | GraphConfig
