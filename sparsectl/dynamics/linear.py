"""The affine baseline, by least squares."""

from __future__ import annotations

import numpy as np
import torch

from sparsectl.data import Normalizer
from sparsectl.dynamics.mlp import MLPConfig, MLPDynamics
from sparsectl.dynamics.models import Model
from sparsectl.dynamics.windows import Trajectories


def fit_linear(like: Model, data: Trajectories) -> MLPDynamics:
    """Affine one-step model with the structure of another one, fitted by least squares.

    Constant inputs and too little data are no problem: the solution of least norm is taken.
    """
    structure = like.structure
    x, u, y = data.pairs()
    view = np.concatenate([x @ structure.S.T, u], axis=1)
    change = (y - x)[:, structure.predicted]
    config = MLPConfig((), structure=like.config.structure)
    model = MLPDynamics(config, like.names, like.nx, like.nu).double()
    scaled = Normalizer.fit(view, name=None)
    solution = np.linalg.lstsq(scaled(view), change - change.mean(0), rcond=None)[0]
    model.set_normalizer(scaled.mean, scaled.std, change.mean(0), np.ones(change.shape[1]))
    with torch.no_grad():
        model.linears[0].weight.copy_(torch.from_numpy(solution.T.copy()))
        model.linears[0].bias.zero_()
    return model.eval().requires_grad_(False)
