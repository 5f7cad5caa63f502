"""From a trained torch model to the ReLU program."""

from __future__ import annotations

import copy
from functools import singledispatch
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
import torch

from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.folded import Folded
from sparsectl.dynamics.folded_graph import Terms
from sparsectl.dynamics.graph import GraphDynamics
from sparsectl.dynamics.kinds import IDENTITY, RELU
from sparsectl.dynamics.mlp import MLPDynamics
from sparsectl.errors import NonFiniteError
from sparsectl.program.graph import GraphPrograms, Map
from sparsectl.program.relu_program import Programs, ReluProgram

Network: TypeAlias = tuple[Folded, list[np.ndarray]]


@singledispatch
def lower(model: object) -> ReluProgram:
    """One step of a model as a ReLU program, in float64.

    Args:
        model: a dynamics model. Its own precision and device are left untouched.

    Returns:
        Program with input [x; u] (nx + nu,) and output x' (nx,), physical units. Every hidden
        ReLU of the model is one neuron; identities are substituted away, zeros dropped.

    Raises:
        TypeError: no lowering is known for this kind of model.
        NonFiniteError: the model holds a NaN or infinity.
    """
    known = ", ".join(k.__name__ for k in lower.registry if k is not object)
    raise TypeError(f"cannot lower a {type(model).__name__} to a ReLU program (known: {known})")


@lower.register
def _(model: MLPDynamics) -> ReluProgram:
    return _mean([_folded(model)])


@lower.register
def _(model: EnsembleDynamics) -> ReluProgram:
    return _mean([_folded(member) for member in model.networks])


@lower.register
def _(model: GraphDynamics) -> ReluProgram:
    source = _graph_programs(model)
    return source.program(source.every_pair())


def programs(model: object) -> Programs:
    """What planners need of a model: its program, or for a graph network the one of every state.

    Raises:
        TypeError, NonFiniteError: see `lower`, which writes a graph network out for all pairs of
            objects: exact wherever all of them are neighbours.
    """
    return _graph_programs(model) if isinstance(model, GraphDynamics) else lower(model)


def _graph_programs(model: GraphDynamics) -> GraphPrograms:
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise NonFiniteError(f"the graph model's {name} holds a NaN or infinity")
    with torch.no_grad():
        model = copy.deepcopy(model).to("cpu", torch.float64)
        folded = model.fold()
        maps = [_map(t) for t in (folded.edge, folded.messages, folded.node, folded.output)]
        pair, each = (
            tuple((W.numpy(), b.numpy()) for W, b in layers)
            for layers in (folded.edge_layers, folded.node_layers)
        )
        kinds = tuple(kind.numpy() for kind in model.kinds)
        return GraphPrograms(
            model.objects, model.nu, maps[0], pair, maps[1], maps[2], each, maps[3], kinds,
            folded.radius, float(model.reach[0]),
        )  # fmt: skip


def _map(terms: Terms) -> Map:
    """Terms as arrays; what is not seen has width 0."""
    nothing = np.zeros((len(terms.bias), 0))

    def array(value: torch.Tensor | None) -> np.ndarray:
        return nothing if value is None else value.numpy()

    return Map(
        terms.own.numpy(), terms.action.numpy(), terms.bias.numpy(),
        array(terms.sender), array(terms.message), array(terms.hidden),
    )  # fmt: skip


def _folded(model: MLPDynamics) -> Network:
    """Weights folded in float64, so that the program adds no rounding of its own."""
    with torch.no_grad():
        folded = copy.deepcopy(model).to("cpu", torch.float64).fold()
    return folded, [kind.numpy() for kind in model.kinds]


def _mean(members: list[Network]) -> ReluProgram:
    """Mean of networks that share their input. Neurons are ordered layer by layer.

    A hidden layer is E [v; z] + e: zero neurons are rows of zeros, identities are substituted.
    """
    first = members[0][0]
    nx, nu = first.G.shape
    n_in, depth = nx + nu, len(first.layers) - 1
    total = sum(int((kind == RELU).sum()) for _, kinds in members for kind in kinds)
    inputs = sp.eye_array(n_in, n_in + total, format="csr")
    hidden = [(inputs, np.zeros(n_in)) for _ in members]
    rows, b, start = [sp.csr_array((0, n_in + total))], [np.zeros(0)], n_in
    for level in range(depth):
        for i, (folded, kinds) in enumerate(members):
            E, e = _affine(folded.layers[level], hidden[i])
            relu, identity = np.flatnonzero(kinds[level] == RELU), kinds[level] == IDENTITY
            rows.append(E[relu])
            b.append(e[relu])
            place = (np.ones(len(relu)), (relu, start + np.arange(len(relu))))
            through = sp.diags_array(identity.astype(float))
            hidden[i] = (through @ E + sp.csr_array(place, shape=E.shape), identity * e)
            start += len(relu)
    C = np.zeros((nx, n_in + total))
    C[:, :nx] = np.eye(nx)
    C[:, nx:n_in] = first.G.numpy()
    C[:, :n_in] += np.mean([folded.skip.detach().numpy() for folded, _ in members], axis=0)
    d = np.zeros(nx)
    for (folded, _), below in zip(members, hidden, strict=True):
        E, e = _affine(folded.layers[-1], below)
        C += E.toarray() / len(members)
        d += e / len(members)
    A = sp.csr_array(sp.vstack(rows, format="csr"))
    return ReluProgram(n_in, A, np.concatenate(b), sp.csr_array(C), d)


def _affine(
    layer: tuple[torch.Tensor, torch.Tensor], below: tuple[sp.csr_array, np.ndarray]
) -> tuple[sp.csr_array, np.ndarray]:
    """A layer after an affine expression."""
    W, b = (t.detach().numpy() for t in layer)
    return sp.csr_array(sp.csr_array(W) @ below[0]), W @ below[1] + b
