"""ReLU programs of PyTorch modules."""

from __future__ import annotations

import contextlib
import copy
import inspect
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from sparsectl.errors import ConfigError, NonFiniteError, ShapeError, prefixed
from sparsectl.exchange.refused import refused
from sparsectl.exchange.torch_operations import FUNCTIONS, MODULES, array
from sparsectl.program.relu_program import ReluProgram
from sparsectl.program.trace import NotPiecewiseLinear, Symbol, Tape


def read(network: nn.Module, sizes: Sequence[int]) -> ReluProgram:
    """The program of a module, as it is in evaluation mode, in float64.

    Args:
        network: takes one or more tensors of shape (batch, size) and gives one; it is left as it
            is. Its `forward` is run once on symbols, so it must not depend on values.

    Raises:
        ConfigError: an operation that is not piecewise linear or not known, named with its node.
        NonFiniteError: a NaN or infinity among the weights.
    """
    where = type(network).__name__
    own = _copy(network, sizes)
    try:
        graph = fx.symbolic_trace(own)
    except Exception as error:  # whatever the module's own code meets when it is given proxies
        raise ConfigError(
            f"{where}: its forward cannot be traced ({' '.join(str(error).split())[:150]}): it "
            "must not branch on values; or export it to ONNX and import that"
        ) from error
    tape = Tape(sum(sizes))
    values: dict[fx.Node, Any] = {}
    rows = [tape.inputs((1, n), sum(sizes[:i])) for i, n in enumerate(sizes)]
    for node in graph.graph.nodes:
        name = node.target if node.op == "call_module" else node.name
        try:
            values[node] = _value(graph, node, values, rows)
        except _Unknown as unknown:
            raise refused(where, name, str(unknown), {*FUNCTIONS, *MODULES}) from None
        except NotPiecewiseLinear as error:
            raise ConfigError(
                f"{where}: node '{name}' is {error}, which is not piecewise linear"
            ) from None
        except (ShapeError, TypeError, ValueError, IndexError, AttributeError) as error:
            given = " and ".join(map(str, sizes))
            raise ConfigError(
                f"{where}: node '{name}' cannot be followed where the network is given {given} "
                f"numbers: {error}"
            ) from error
    result = values[node]
    if not isinstance(result, Symbol):
        raise ConfigError(f"{where}: gives {type(result).__name__}, expected one tensor")
    with prefixed(where, NonFiniteError):
        program = tape.program(result)
    _agree(own, program, sizes)
    return program


def _copy(network: nn.Module, sizes: Sequence[int]) -> nn.Module:
    """A copy in evaluation mode and float64.

    Weights that hooks make in every call, as pruning does, are made first, without the gradients
    that cannot be copied.
    """
    modes = {module: module.training for module in network.modules()}
    try:
        network.eval()
        with contextlib.suppress(Exception), torch.no_grad():  # sizes are looked at later
            some = next(network.parameters(), torch.zeros(0))
            network(*(some.new_zeros((1, n)) for n in sizes))
        return copy.deepcopy(network).to("cpu", torch.float64)
    finally:
        for module, mode in modes.items():
            module.training = mode


def _agree(own: nn.Module, program: ReluProgram, sizes: Sequence[int]) -> None:
    """Refuse a module that computes something else than its graph says: hooks are not in it."""
    x = np.random.default_rng(0).normal(size=(8, sum(sizes)))
    try:
        with torch.no_grad():
            rows = [own(*torch.from_numpy(row[None]).split(list(sizes), 1)) for row in x]
    except RuntimeError:  # it makes tensors of other types or batches
        return
    said, found = np.stack([np.asarray(row, np.float64).ravel() for row in rows]), program(x)
    if said.shape == found.shape and not np.allclose(said, found, 1e-4, 1e-4 * abs(said).max()):
        raise ConfigError(
            f"{type(own).__name__}: gives other numbers than its operations do, by "
            f"{abs(said - found).max():.2g}: hooks, and tensors that it changes in place, are not "
            "followed; do without, or export it to ONNX and import that"
        )


def arguments(network: nn.Module) -> list[str]:
    """Names of the tensors that its `forward` needs.

    Raises:
        ConfigError: something else than a module of PyTorch with real weights, in Python.
    """
    if not isinstance(network, nn.Module) or isinstance(network, torch.jit.ScriptModule):
        raise ConfigError(
            f"a {type(network).__name__} cannot be read: give the torch.nn.Module that it was made "
            "of, or an ONNX file"
        )
    weights = (*network.parameters(), *network.buffers())
    if any(map(nn.parameter.is_lazy, weights)):
        raise ConfigError(f"{type(network).__name__} has no weights yet: call it once")
    if any(map(torch.is_complex, weights)):
        raise ConfigError(f"{type(network).__name__} has complex weights, expected real numbers")
    given = inspect.signature(network.forward).parameters.values()
    wanted = [p for p in given if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD]
    return [p.name for p in wanted]


def _value(graph: fx.GraphModule, node: fx.Node, values: Any, rows: list[Symbol]) -> Any:
    """What a node gives: a symbol where it depends on the inputs, else an array or a number."""
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
    target: Any = node.target
    if node.op == "placeholder":
        return rows.pop(0) if rows else args[0]
    if node.op == "output":
        return args[0]
    if node.op == "get_attr":
        return array(operator.attrgetter(target)(graph))
    if node.op == "call_module":
        module = graph.get_submodule(target)
        names = [cls.__name__ for cls in type(module).__mro__]  # parametrised ones have their own
        known = next((name for name in names if name in MODULES), None)
        if known is None:
            raise _Unknown(names[0])
        return MODULES[known](module, *args, **kwargs)
    name = target if node.op == "call_method" else target.__name__
    if any(isinstance(v, Symbol) for v in _leaves((args, kwargs))):
        if name.strip("_") not in FUNCTIONS:
            raise _Unknown(name)
        return FUNCTIONS[name.strip("_")](*args, **kwargs)
    args, kwargs = (_tensors(v) for v in (args, kwargs))
    if node.op == "call_method":
        return array(getattr(args[0], name)(*args[1:], **kwargs))
    return array(target(*args, **kwargs))


class _Unknown(Exception):
    """An operation that no table has."""


def _leaves(value: Any) -> Any:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return [value]
    return [leaf for part in value for leaf in _leaves(part)]


def _tensors(value: Any) -> Any:
    """Arrays as tensors, wherever they are."""
    if isinstance(value, dict):
        return {k: _tensors(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_tensors, value))
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value
