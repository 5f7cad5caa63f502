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
    """Set input and output statistics of every member from all transitions, see `refine`."""
    refine(dynamics, data)
    if isinstance(dynamics, GraphDynamics):
        dynamics.fit_normalizer(data)
        return
    structure = dynamics.structure
    x, u, y = data.pairs()
    view = np.concatenate([x @ structure.S.T, u], axis=1)
    change = (y - x)[:, structure.predicted]
    v = Normalizer.fit(view, name="the model's input [relative state; action]")
    d = Normalizer.fit(change, name="the state change", of=x[:, structure.predicted])
    for member in dynamics.networks if isinstance(dynamics, EnsembleDynamics) else [dynamics]:
        member.set_normalizer(v.mean, v.std, d.mean, d.std)


def widen(dynamics: Model, data: Trajectories) -> None:
    """What more data mean for a model that keeps its statistics: objects may reach further, and
    numbers may need more digits."""
    refine(dynamics, data)
    if isinstance(dynamics, GraphDynamics):
        x, _, y = data.pairs()
        change = (y - x).reshape(len(x), -1, dynamics.config.size)
        furthest = float(np.linalg.norm(change, axis=-1).max(initial=0.0))
        dynamics.reach.clamp_(min=furthest)


def refine(dynamics: Model, data: Trajectories) -> None:
    """Make a model one of 64-bit numbers where 32 bits are too coarse for its data.

    That is where a state or an action is so far from 0 (an encoder at 5e6, seconds since 1970)
    that rounding it to 32 bits is more than a thousandth of how much it changes in a step.
    """
    x, u, y = data.pairs()
    for values, changes in ((x, y - x), (u, u)):
        std = Normalizer.fit(changes, name=None, of=values).std
        lively = changes.std(0) == std
        largest = np.abs(values).max(0, initial=0.0)
        if (lively & (np.finfo(np.float32).eps * largest > 1e-3 * std)).any():
            dynamics.double()
