"""Trainable models of the environment."""

from sparsectl.dynamics.base import Dynamics
from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.factory import build
from sparsectl.dynamics.mlp import MLPConfig, MLPDynamics
from sparsectl.dynamics.structure import Structure, StructureConfig

__all__ = [
    "Dynamics",
    "EnsembleDynamics",
    "MLPConfig",
    "MLPDynamics",
    "Structure",
    "StructureConfig",
    "build",
]
