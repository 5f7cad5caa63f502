"""ReLU programs of PyTorch modules."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from sparsectl.errors import ConfigError, NonFiniteError, ShapeError
from sparsectl.exchange.refused import refused
from sparsectl.program.relu_program import ReluProgram
from sparsectl.program.trace import NotPiecewiseLinear, Symbol, Tape, concatenate


def read(network: nn.Module, sizes: Sequence[int]) -> ReluProgram:
    """The program of a module, as it is in evaluation mode, in float64.

    Args:
        network: takes one or more tensors of shape (batch, size) and gives one; it is left as it
            is. Its `forward` is run once on symbols, so it must not depend on values.
        sizes: of its inputs.

    Raises:
        ConfigError: an operation that is not piecewise linear or not known, named with its node.
        NonFiniteError: a NaN or infinity among the weights.
    """
    where = type(network).__name__
    own = copy.deepcopy(network).to("cpu", torch.float64).eval()
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
            raise refused(where, name, str(unknown), _KNOWN) from None
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
    try:
        return tape.program(result)
    except NonFiniteError as error:
        raise NonFiniteError(f"{where}: {error}") from None


def arguments(network: nn.Module) -> int:
    """How many tensors its `forward` needs."""
    given = inspect.signature(network.forward).parameters.values()
    return sum(p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD for p in given)


def _value(graph: fx.GraphModule, node: fx.Node, values: Any, rows: list[Symbol]) -> Any:
    """What a node gives: a symbol where it depends on the inputs, else an array or a number."""
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
    target: Any = node.target
    if node.op == "placeholder":
        return rows.pop(0) if rows else args[0]
    if node.op == "output":
        return args[0]
    if node.op == "get_attr":
        return _array(operator.attrgetter(target)(graph))
    if node.op == "call_module":
        module = graph.get_submodule(target)
        if type(module).__name__ not in _MODULES:
            raise _Unknown(type(module).__name__)
        return _MODULES[type(module).__name__](module, *args, **kwargs)
    name = target if node.op == "call_method" else target.__name__
    if any(isinstance(v, Symbol) for v in _leaves((args, kwargs))):
        if name.strip("_") not in _FUNCTIONS:
            raise _Unknown(name)
        return _FUNCTIONS[name.strip("_")](*args, **kwargs)
    args, kwargs = (_tensors(v) for v in (args, kwargs))
    if node.op == "call_method":
        return _array(getattr(args[0], name)(*args[1:], **kwargs))
    return _array(target(*args, **kwargs))


class _Unknown(Exception):
    """An operation that no table has."""


def _leaves(value: Any) -> Any:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return [value]
    return [leaf for part in value for leaf in _leaves(part)]


def _array(value: Any) -> Any:
    return value.detach().numpy() if isinstance(value, Tensor) else value


def _tensors(value: Any) -> Any:
    """Arrays as tensors, wherever they are."""
    if isinstance(value, dict):
        return {k: _tensors(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_tensors, value))
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    y = x @ _array(weight).T
    return y if bias is None else y + _array(bias)


def _batch_norm(m: Any, x: Symbol) -> Symbol:
    if m.running_mean is None:
        raise NotPiecewiseLinear("normalisation over the batch, without running statistics")
    factor = 1.0 / np.sqrt(_array(m.running_var) + m.eps)
    factor = factor * _array(m.weight) if m.affine else factor
    shift = -_array(m.running_mean) * factor + (_array(m.bias) if m.affine else 0.0)
    trailing = (-1,) + (1,) * (len(x.shape) - 2)
    return x * factor.reshape(trailing) + shift.reshape(trailing)


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    n = len(x.shape)
    start, end = start_dim % n, end_dim % n
    return x.reshape([*x.shape[:start], -1, *x.shape[end + 1 :]])


def _sizes(sizes: Any) -> Any:
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else sizes


def _transpose(x: Symbol, a: int, b: int) -> Symbol:
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return x.transpose(order)


def _split(x: Symbol, size: Any, dim: int = 0) -> list[Symbol]:
    n = x.shape[dim]
    sizes = [min(size, n - k) for k in range(0, n, size)] if isinstance(size, int) else size
    ends, before = np.cumsum(sizes), [slice(None)] * (dim % len(x.shape))
    return [x[(*before, slice(int(e - s), int(e)))] for s, e in zip(sizes, ends, strict=True)]


def _unsqueeze(x: Symbol, dim: int) -> Symbol:
    dim %= len(x.shape) + 1
    return x.reshape([*x.shape[:dim], 1, *x.shape[dim:]])


def _squeeze(x: Symbol, dim: int) -> Symbol:
    dim %= len(x.shape)
    return x.reshape([*x.shape[:dim], *x.shape[dim + 1 :]]) if x.shape[dim] == 1 else x


def _cat(tensors: Any, dim: int = 0, axis: int | None = None) -> Any:
    return concatenate(tensors, dim if axis is None else axis)


def _added(sign: float) -> Callable[..., Any]:
    return lambda x, y, alpha=1.0: x + y * (sign * alpha)


def _getitem(x: Any, index: Any) -> Any:
    return x[index]


def _same(x: Any, *_: Any, **__: Any) -> Any:
    return x


def _relu(x: Symbol, inplace: bool = False) -> Symbol:
    return x.relu()


def _leaky(x: Symbol, slope: float = 0.01, inplace: bool = False, **named: Any) -> Symbol:
    return x.leaky(named.get("negative_slope", slope))


def _clamp(x: Symbol, min: Any = None, max: Any = None) -> Symbol:
    return x.clip(min, max)


def _hardtanh(x: Symbol, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    return x.clip(min_val, max_val)


def _maximum(x: Any, y: Any) -> Symbol:
    return x.maximum(y) if isinstance(x, Symbol) else y.maximum(x)


def _minimum(x: Any, y: Any) -> Symbol:
    return x.minimum(y) if isinstance(x, Symbol) else y.minimum(x)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda x: x.leaky(-1.0), "add": _added(1.0), "addmm": lambda b, x, W: x @ W + b,
    "cat": _cat, "clamp": _clamp, "clip": _clamp, "concat": _cat, "concatenate": _cat,
    "contiguous": _same, "detach": _same, "dim": lambda x: len(x.shape), "div": operator.truediv,
    "double": _same, "dropout": _same, "flatten": _flatten, "float": _same,
    "getattr": lambda x, name: getattr(x, name), "getitem": _getitem, "hardtanh": _hardtanh,
    "leaky_relu": _leaky, "linear": _linear, "matmul": operator.matmul, "maximum": _maximum,
    "minimum": _minimum, "mm": operator.matmul, "mul": operator.mul, "multiply": operator.mul,
    "neg": operator.neg, "permute": lambda x, *order: x.transpose(_sizes(order)),
    "prelu": lambda x, slope: x.leaky(slope), "relu": _relu,
    "relu6": lambda x, inplace=False: x.clip(0.0, 6.0),
    "reshape": lambda x, *sizes: x.reshape(_sizes(sizes)),
    "size": lambda x, dim=None: x.shape if dim is None else x.shape[dim], "split": _split,
    "squeeze": _squeeze, "sub": _added(-1.0), "subtract": _added(-1.0),
    "sum": lambda x, dim=None, keepdim=False: x.sum(dim, keepdim), "transpose": _transpose,
    "truediv": operator.truediv, "unsqueeze": _unsqueeze,
    "view": lambda x, *sizes: x.reshape(_sizes(sizes)),
}  # fmt: skip
"""By the name of a function or of a tensor's method."""
_MODULES: dict[str, Callable[..., Any]] = {
    "BatchNorm1d": _batch_norm,
    "Dropout": lambda m, x: x,
    "Flatten": lambda m, x: _flatten(x, m.start_dim, m.end_dim),
    "Hardtanh": lambda m, x: x.clip(m.min_val, m.max_val),
    "Identity": lambda m, x: x,
    "LeakyReLU": lambda m, x: x.leaky(m.negative_slope),
    "Linear": lambda m, x: _linear(x, m.weight, m.bias),
    "PReLU": lambda m, x: x.leaky(_array(m.weight)),
    "ReLU": lambda m, x: x.relu(),
    "ReLU6": lambda m, x: x.clip(0.0, 6.0),
    "Unflatten": lambda m, x: x.reshape(
        [
            *x.shape[: m.dim % len(x.shape)],
            *m.unflattened_size,
            *x.shape[m.dim % len(x.shape) + 1 :],
        ]
    ),
}
"""By the name of a module of torch.nn."""
_KNOWN = {*_FUNCTIONS, *_MODULES}
