"""Networks of other libraries as models to plan with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from sparsectl.dynamics.imported_config import Predicts, Scales
from sparsectl.dynamics.kinds import IDENTITY, RELU, set_kinds
from sparsectl.dynamics.mlp import MLPDynamics
from sparsectl.dynamics.mlp_config import MLPConfig
from sparsectl.errors import ConfigError, ShapeError
from sparsectl.program.algebra import add_linear, precompose
from sparsectl.program.relu_program import ReluProgram

if TYPE_CHECKING:
    from torch import nn


_STATE, _ACTION = ("state", "x", "observation", "obs"), ("action", "u", "control", "act")
"""What inputs are called."""


def from_torch(
    network: nn.Module,
    *,
    nx: int,
    nu: int,
    predicts: Predicts,
    names: Mapping[str, slice] | None = None,
    scales: Scales | None = None,
    action_first: bool = False,
) -> MLPDynamics:
    """A PyTorch network, for example a `Sequential`, as a model to plan with.

    Linear layers, ReLUs and what they can say (leaky ReLUs, clips, the larger of two), batch
    normalisation with its running statistics, sums, joining, slicing and constant scales are taken
    over exactly; the model computes in float64.

    Args:
        network: takes [state; action] of shape (batch, nx + nu), or state and action as two
            arguments, and gives (batch, nx). It is left as it is.
        predicts: `next`: the next state; `change`: next less present state.
        names: slice of the state by part, as `StateMap.names`; None: one part `observation`.
        scales: of its inputs and outputs; None: it takes and gives physical units.
        action_first: it takes [action; state], or the action as its first argument.

    Raises:
        ConfigError: an operation that is not piecewise linear or not known, named with its node.
        ShapeError: a network of other sizes, or scales of other sizes than the network.
    """
    from sparsectl.exchange import torch_read

    both = (nu, nx) if action_first else (nx, nu)
    taken = torch_read.arguments(network)
    where = f"the network {type(network).__name__}"
    _check_order(taken, action_first, where)
    program = torch_read.read(network, both if len(taken) == 2 else (nx + nu,))
    return _model(
        program, nx, nu, where, predicts=predicts, names=names, scales=scales,
        action_first=action_first,
    )  # fmt: skip


def from_onnx(
    path: str | Path,
    *,
    predicts: Predicts,
    nx: int | None = None,
    nu: int | None = None,
    names: Mapping[str, slice] | None = None,
    scales: Scales | None = None,
    action_first: bool = False,
) -> MLPDynamics:
    """An ONNX file as a model to plan with, see `from_torch`.

    Args:
        path: of a network with one input [state; action] or two, state and action, in this order.
        nx: number of states; None: as many as the network gives.
        nu: number of actions; None: what is left of its inputs.

    Raises:
        MissingExtra: the package `onnx` is not installed.
        ConfigError, ShapeError: see `from_torch`; also no such file, or no ONNX.
    """
    from sparsectl.exchange import onnx_read

    program, given = onnx_read.read(path)
    _check_order(list(given), action_first, f"'{path}'")
    sizes = tuple(given.values())
    nx = program.n_out if nx is None else nx
    nu = program.n_in - nx if nu is None else nu
    both = (nu, nx) if action_first else (nx, nu)
    if len(sizes) > 2 or (len(sizes) == 2 and sizes != both):
        shown = " and ".join("x".join(map(str, sizes[i : i + 1])) for i in range(len(sizes)))
        raise ShapeError(
            f"'{path}' has inputs of {shown} numbers, expected {both[0]} and {both[1]} "
            f"({_order(action_first)}), or one of both"
        )
    return _model(
        program, nx, nu, f"'{path}'", predicts=predicts, names=names, scales=scales,
        action_first=action_first,
    )  # fmt: skip


def _check_order(names: list[str], action_first: bool, where: str) -> None:
    """Refuse inputs that are called the other way round: their sizes may be the same."""
    said = ["action" if n in _ACTION else "state" if n in _STATE else n for n in names]
    if said == (["state", "action"] if action_first else ["action", "state"]):
        raise ConfigError(
            f"{where} takes {' and '.join(names)}, in this order: set action_first: "
            f"{str(not action_first).lower()}"
        )


def _order(action_first: bool) -> str:
    return "[action; state]" if action_first else "[state; action]"


def _model(
    program: ReluProgram,
    nx: int,
    nu: int,
    where: str,
    *,
    predicts: Predicts,
    names: Mapping[str, slice] | None,
    scales: Scales | None,
    action_first: bool,
) -> MLPDynamics:
    if predicts not in ("next", "change"):
        raise ConfigError(
            f"predicts is {predicts!r}: give 'next' where {where} gives the next state, 'change' "
            "where it gives how much the state changes"
        )
    if nu < 1 or (program.n_in, program.n_out) != (nx + nu, nx):
        raise ShapeError(
            f"{where} takes {program.n_in} numbers and gives {program.n_out}, expected {nx + nu} "
            f"({_order(action_first)} of {nx} and {nu}) and {nx}"
        )
    names = {"observation": slice(0, nx)} if names is None else names
    program = (scales or Scales()).applied(program)
    if action_first:
        program = precompose(program, np.roll(np.eye(nx + nu), nu, axis=0))
    if predicts == "change":
        program = add_linear(program, np.eye(nx, nx + nu))
    return from_program(program, names)


def from_program(program: ReluProgram, names: Mapping[str, slice]) -> MLPDynamics:
    """A model, in float64, of a one-step program [x; u] -> x' of ReLUs.

    Every neuron becomes one; where later layers read a neuron or an input that layers between do
    not, identity neurons hand it on. Lowering the model substitutes them away again.

    Args:
        program: n_out states, the other inputs are actions.

    Raises:
        ConfigError: step neurons.
    """
    program.require_relus("a model of torch")
    nx, n, A, C = program.n_out, program.n_in, program.A, program.C.toarray()
    known, layers, kinds = np.arange(n), [], []
    for level in program.levels:
        needed = np.asarray(abs(A[level.stop :]).sum(axis=0)).ravel() > 0
        needed[n:] |= C[:, n:].any(axis=0)
        kept = needed[known]
        own = A[level.start : level.stop][:, known].toarray()
        W = np.concatenate([own, np.eye(len(known))[kept]])
        layers.append((W, np.append(program.b[level.start : level.stop], np.zeros(kept.sum()))))
        kinds.append(torch.tensor([RELU] * len(own) + [IDENTITY] * int(kept.sum())))
        known = np.append(n + np.arange(level.start, level.stop), known[kept])
    straight = C[:, :n] - np.eye(nx, n)
    layers.append((C[:, known] if kinds else straight, program.d))
    model = MLPDynamics(MLPConfig(tuple(map(len, kinds))), names, nx, n - nx).double()
    with torch.no_grad():
        for linear, (W, b) in zip(model.linears, layers, strict=True):
            linear.weight.copy_(torch.as_tensor(W))
            linear.bias.copy_(torch.as_tensor(b))
        if model.skip is not None:
            model.skip.weight.copy_(torch.as_tensor(straight))
    set_kinds(model, kinds)
    return model.eval().requires_grad_(False)
