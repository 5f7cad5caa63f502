"""From a trained torch model to the ReLU program. The only module here that knows torch."""

from __future__ import annotations

import copy
from functools import singledispatch

import numpy as np
import scipy.sparse as sp
import torch

from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.folded import Folded
from sparsectl.dynamics.folded_graph import Terms
from sparsectl.dynamics.graph import GraphDynamics
from sparsectl.dynamics.mlp import MLPDynamics
from sparsectl.errors import NonFiniteError
from sparsectl.program.graph import GraphPrograms, Map
from sparsectl.program.relu_program import ReluProgram
from sparsectl.program.source import Programs


@singledispatch
def lower(model: object) -> ReluProgram:
    """One step of a model as a ReLU program, in float64.

    Args:
        model: a dynamics model. Its own precision and device are left untouched.

    Returns:
        Program with input [x; u] (nx + nu,) and output x' (nx,), physical units. Every hidden
        ReLU of the model is one neuron.

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
        kinds = tuple(kind.numpy() for kind in folded.kinds)
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


def _folded(model: MLPDynamics) -> Folded:
    """Weights folded in float64, so that the program adds no rounding of its own."""
    with torch.no_grad():
        return copy.deepcopy(model).to("cpu", torch.float64).fold()


def _mean(members: list[Folded]) -> ReluProgram:
    """Mean of networks that share their input. Neurons are ordered layer by layer."""
    nx, nu = members[0].G.shape
    depth = len(members[0].layers) - 1
    n_in = nx + nu
    weights = [
        [(W.detach().numpy(), b.detach().numpy()) for W, b in member.layers] for member in members
    ]
    rows, b = [], []
    total = sum(len(bias) for w in weights for _, bias in w[:depth])
    start, before = n_in, [0] * len(members)
    for level in range(depth):
        columns = start
        for i, layers in enumerate(weights):
            W, bias = layers[level]
            rows.append(_placed(W, 0 if level == 0 else before[i], n_in + total))
            before[i] = columns
            columns += len(bias)
            b.append(bias)
        start = columns
    C = np.zeros((nx, n_in + total))
    C[:, :nx] = np.eye(nx)
    C[:, nx:n_in] = members[0].G.numpy()
    C[:, :n_in] += np.mean([member.skip.detach().numpy() for member in members], axis=0)
    for i, layers in enumerate(weights):
        W = layers[-1][0] / len(members)
        at = before[i] if depth else 0
        C[:, at : at + W.shape[1]] += W
    d = np.mean([layers[-1][1] for layers in weights], axis=0)
    A = sp.vstack(rows, format="csr") if rows else sp.csr_array((0, n_in))
    return ReluProgram(n_in, sp.csr_array(A), np.concatenate([*b, np.zeros(0)]), sp.csr_array(C), d)


def _placed(W: np.ndarray, column: int, width: int) -> sp.csr_array:
    """W at a column of an otherwise empty matrix of a given width."""
    after = width - column - W.shape[1]
    blocks = [np.zeros((len(W), column)), W, np.zeros((len(W), after))]
    return sp.csr_array(np.concatenate(blocks, axis=1))
