"""Fit the normaliser of a model to data."""

from __future__ import annotations

import numpy as np

from sparsectl.data import Normalizer
from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.graph import GraphDynamics
from sparsectl.dynamics.models import Model, Network
from sparsectl.dynamics.windows import Trajectories


def members(dynamics: Model) -> list[Network]:
    """The networks of a model; a single network is an ensemble of one."""
    return [*dynamics.networks] if isinstance(dynamics, EnsembleDynamics) else [dynamics]


def fit_normalizer(dynamics: Model, data: Trajectories) -> None:
    """Set input and output statistics of every member from all transitions."""
    if isinstance(dynamics, GraphDynamics):
        dynamics.fit_normalizer(data)
        return
    structure = dynamics.structure
    x, u, y = data.pairs()
    view = np.concatenate([x @ structure.S.T, u], axis=1)
    change = (y - x)[:, structure.predicted]
    v = Normalizer.fit(view, name="the model's input [relative state; action]")
    d = Normalizer.fit(change, name="the state change")
    for member in dynamics.networks if isinstance(dynamics, EnsembleDynamics) else [dynamics]:
        member.set_normalizer(v.mean, v.std, d.mean, d.std)
