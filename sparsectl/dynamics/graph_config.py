"""Settings of the graph network, and what they mean for a given state and action."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sparsectl.checks import within
from sparsectl.dynamics.structure import Structure, StructureConfig, resolve
from sparsectl.errors import ConfigError, one_of


@dataclass(frozen=True)
class GraphConfig:
    """A graph network over objects: every object is moved by the action and by its neighbours."""

    kind: Literal["graph"] = "graph"
    """Which model this is."""
    parts: tuple[str, ...] = ()
    """State parts that are objects, one object after another; empty: all parts. Together they
    must be the whole state."""
    size: int = 2
    """Entries of one object, its position."""
    radius: float = 0.14
    """Objects nearer than this act on each other during a step, in the observation's unit."""
    edge: tuple[int, ...] = (64, 64)
    """ReLUs in each layer of the network of one pair of neighbours."""
    message: int = 32
    """Numbers that a pair sends to an object. They are sums, so they cost no ReLU."""
    node: tuple[int, ...] = (64, 64)
    """ReLUs in each layer of the network of one object."""
    origin: int | None = None
    """First of `size` action entries that are a place, such as the start of a stroke: objects are
    then seen relative to it. None: objects are seen where they are."""
    gain: float = 1.0
    """Observation units per action unit, of that place."""
    absolute: bool = True
    """Whether the networks also see the place itself (walls matter); without an origin, whether
    they see where objects are."""
    skip: bool = True
    """Add affine paths past the hidden layers; they cost no ReLU."""
    symmetry: Literal["none", "mirror", "square"] = "none"
    """Turn training data into its mirror images along every axis (`mirror`), and also swap the
    axes (`square`). Every `size` action entries are then one vector."""

    def __post_init__(self) -> None:
        for name in ("edge", "node"):
            widths = getattr(self, name)
            if not widths or any(width < 1 for width in widths):
                raise ConfigError(
                    f"model {name}: expected at least one positive width, got {list(widths)}"
                )
        within(self, "model", "[1, inf)", "size", "message")
        within(self, "model", "(0, inf)", "radius")
        if self.gain == 0 or not math.isfinite(self.gain):
            raise ConfigError(f"model gain is {self.gain}, expected a finite number other than 0")
        within(self, "model", "[0, inf)", "origin")

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of all hidden layers, of one pair and then of one object."""
        return (*self.edge, *self.node)

    @property
    def members(self) -> int:
        """Networks whose mean is the model: one."""
        return 1

    @property
    def structure(self) -> StructureConfig:
        """What is known beforehand, in the terms of other models."""
        return StructureConfig(points=list(self.parts) if self.size == 2 else [])


@dataclass(frozen=True)
class Objects:
    """A `GraphConfig` resolved for a state and an action.

    Attributes:
        structure: of the whole state; every entry is predicted.
        own: what an object o adds to its view, `view = own @ o + action @ u`, which is
            [o - place; u] less what is not to be seen. Shape (view, size).
        action: Shape (view, nu).
    """

    count: int
    structure: Structure
    own: np.ndarray
    action: np.ndarray


def objects(config: GraphConfig, names: Mapping[str, slice], nx: int, nu: int) -> Objects:
    """Check the names and sizes of a `GraphConfig`.

    Raises:
        ConfigError: an unknown part, a part that is no whole number of objects, state entries
            that belong to no object, or an origin outside the action.
    """
    parts = config.parts or tuple(names)
    size = config.size
    for name in parts:
        one_of(name, names, "model parts: unknown state part")
        entries = names[name].stop - names[name].start
        if entries % size:
            raise ConfigError(
                f"model parts: '{name}' has {entries} entries, objects have {size}: expected a "
                "multiple (see `size`)"
            )
    for name in names:
        if name not in parts:
            raise ConfigError(
                f"model parts: the state part '{name}' is no object: a graph model predicts "
                "objects only; leave it out of the state or use `kind: mlp`"
            )
    place = np.zeros((size, nu))
    shown = list(range(nu))
    if config.origin is not None:
        if config.origin + size > nu:
            raise ConfigError(
                f"model origin: entries {config.origin} to {config.origin + size - 1} of an "
                f"action of {nu}"
            )
        at = range(config.origin, config.origin + size)
        place[:, at] = config.gain * np.eye(size)
        if not config.absolute:
            shown = [i for i in shown if i not in at]
    if config.symmetry != "none" and nu % size:
        raise ConfigError(
            f"model symmetry: an action of {nu} entries is no sequence of vectors of {size}"
        )
    seen = size if config.origin is not None or config.absolute else 0
    own = np.concatenate([np.eye(size)[:seen], np.zeros((len(shown), size))])
    action = np.concatenate([-place[:seen], np.eye(nu)[shown]])
    points = StructureConfig(points=list(parts) if size == 2 else [])
    return Objects(nx // size, resolve(points, names, nx, nu), own, action)


def mirrors(config: GraphConfig) -> list[np.ndarray]:
    """Orthogonal matrices that the dynamics commute with, the identity first."""
    size, eye = config.size, np.eye(config.size)
    if config.symmetry == "none":
        return [eye]
    orders = itertools.permutations(range(size)) if config.symmetry == "square" else [range(size)]
    signs = list(itertools.product((1.0, -1.0), repeat=size))
    return [eye[list(order)] * np.array(sign) for order in orders for sign in signs]
