"""Trainable models of the environment."""

from sparsectl.dynamics.base import Dynamics
from sparsectl.dynamics.checkpoint import check_compatible, load, save, start_from
from sparsectl.dynamics.config import TrainConfig, select_device
from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.evaluate import ErrorRow, ModelErrors, evaluate_model
from sparsectl.dynamics.factory import build, check
from sparsectl.dynamics.graph import GraphDynamics
from sparsectl.dynamics.graph_config import GraphConfig
from sparsectl.dynamics.linear import fit_linear
from sparsectl.dynamics.mlp import MLPConfig, MLPDynamics
from sparsectl.dynamics.models import Model, ModelConfig
from sparsectl.dynamics.structure import Structure, StructureConfig
from sparsectl.dynamics.train import TrainResult, train
from sparsectl.dynamics.windows import Trajectories

__all__ = [
    "Dynamics",
    "EnsembleDynamics",
    "ErrorRow",
    "GraphConfig",
    "GraphDynamics",
    "MLPConfig",
    "MLPDynamics",
    "Model",
    "ModelConfig",
    "ModelErrors",
    "Structure",
    "StructureConfig",
    "TrainConfig",
    "TrainResult",
    "Trajectories",
    "build",
    "check",
    "check_compatible",
    "evaluate_model",
    "fit_linear",
    "load",
    "save",
    "select_device",
    "start_from",
    "train",
]
