"""What modules, functions and methods of PyTorch do to symbols."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from sparsectl.program.trace import NotPiecewiseLinear, Symbol, concatenate


def array(value: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    return value.detach().numpy() if isinstance(value, Tensor) else value


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    y = x @ array(weight).T
    return y if bias is None else y + array(bias)


def _batch_norm(m: Any, x: Symbol) -> Symbol:
    if m.running_mean is None:
        raise NotPiecewiseLinear("normalisation over the batch, without running statistics")
    factor = 1.0 / np.sqrt(array(m.running_var) + m.eps)
    factor = factor * array(m.weight) if m.affine else factor
    shift = -array(m.running_mean) * factor + (array(m.bias) if m.affine else 0.0)
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


def _stack(tensors: Any, dim: int = 0) -> Any:
    return concatenate([_unsqueeze(x, dim) for x in tensors], dim)


def _chunk(x: Symbol, chunks: int, dim: int = 0) -> list[Symbol]:
    return _split(x, -(-x.shape[dim] // chunks), dim)


def _mean(x: Symbol, dim: Any = None, keepdim: bool = False) -> Symbol:
    total = x.sum(dim, keepdim)
    return total * (total.c.size / x.c.size)


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


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda x: x.leaky(-1.0), "add": _added(1.0), "addmm": lambda b, x, W: x @ W + b,
    "cat": _cat, "chunk": _chunk, "clamp": _clamp, "clamp_min": _clamp, "clip": _clamp,
    "concat": _cat, "concatenate": _cat,
    "contiguous": _same, "detach": _same, "dim": lambda x: len(x.shape), "div": operator.truediv,
    "double": _same, "dropout": _same, "flatten": _flatten, "float": _same,
    "getattr": lambda x, name: getattr(x, name), "getitem": _getitem, "hardtanh": _hardtanh,
    "leaky_relu": _leaky, "linear": _linear, "matmul": operator.matmul, "maximum": _maximum,
    "mean": _mean, "minimum": _minimum, "mm": operator.matmul, "mul": operator.mul,
    "multiply": operator.mul,
    "neg": operator.neg, "permute": lambda x, *order: x.transpose(_sizes(order)),
    "prelu": lambda x, slope: x.leaky(slope), "relu": _relu,
    "relu6": lambda x, inplace=False: x.clip(0.0, 6.0),
    "reshape": lambda x, *sizes: x.reshape(_sizes(sizes)),
    "size": lambda x, dim=None: x.shape if dim is None else x.shape[dim], "split": _split,
    "stack": _stack, "t": lambda x: x.transpose(),
    "squeeze": _squeeze, "sub": _added(-1.0), "subtract": _added(-1.0),
    "sum": lambda x, dim=None, keepdim=False: x.sum(dim, keepdim), "transpose": _transpose,
    "truediv": operator.truediv, "unsqueeze": _unsqueeze,
    "view": lambda x, *sizes: x.reshape(_sizes(sizes)),
}  # fmt: skip
"""By the name of a function or of a tensor's method."""
MODULES: dict[str, Callable[..., Any]] = {
    "BatchNorm1d": _batch_norm,
    "Flatten": lambda m, x: _flatten(x, m.start_dim, m.end_dim),
    "Hardtanh": lambda m, x: x.clip(m.min_val, m.max_val),
    "Identity": lambda m, x: x,
    "LeakyReLU": lambda m, x: x.leaky(m.negative_slope),
    "Linear": lambda m, x: _linear(x, m.weight, m.bias),
    "PReLU": lambda m, x: x.leaky(array(m.weight)),
    "ReLU": lambda m, x: x.relu(),
    "ReLU6": lambda m, x: x.clip(0.0, 6.0),
    "_DropoutNd": lambda m, x: x,
    "Unflatten": lambda m, x: x.reshape(
        [
            *x.shape[: m.dim % len(x.shape)],
            *m.unflattened_size,
            *x.shape[m.dim % len(x.shape) + 1 :],
        ]
    ),
}
"""By the name of a module of torch.nn."""
