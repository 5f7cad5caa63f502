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


def widen(dynamics: Model, data: Trajectories) -> None:
    """What more data mean for a model that keeps its statistics: objects may reach further."""
    if isinstance(dynamics, GraphDynamics):
        x, _, y = data.pairs()
        change = (y - x).reshape(len(x), -1, dynamics.config.size)
        furthest = float(np.linalg.norm(change, axis=-1).max(initial=0.0))
        dynamics.reach.clamp_(min=furthest)
