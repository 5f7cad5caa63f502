"""Trainable models of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsectl._lazy import names_on_demand

if TYPE_CHECKING:
    from sparsectl.dynamics.base import Dynamics
    from sparsectl.dynamics.calibration import Rollouts, calibrate
    from sparsectl.dynamics.checkpoint import check_compatible, load, save, start_from
    from sparsectl.dynamics.config import TrainConfig, select_device
    from sparsectl.dynamics.ensemble import EnsembleDynamics
    from sparsectl.dynamics.evaluate import ErrorRow, ModelErrors, evaluate_model, open_loop
    from sparsectl.dynamics.graph import GraphDynamics
    from sparsectl.dynamics.graph_config import GraphConfig
    from sparsectl.dynamics.imported import from_onnx, from_program, from_torch
    from sparsectl.dynamics.imported_config import ImportedModel, Scales
    from sparsectl.dynamics.linear import fit_linear
    from sparsectl.dynamics.mlp import MLPDynamics
    from sparsectl.dynamics.mlp_config import MLPConfig
    from sparsectl.dynamics.models import Model, ModelConfig, build, check
    from sparsectl.dynamics.structure import Structure, StructureConfig
    from sparsectl.dynamics.train import TrainResult, train
    from sparsectl.dynamics.windows import Trajectories

names_on_demand(__name__)
