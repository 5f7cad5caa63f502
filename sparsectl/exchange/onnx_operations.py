"""What nodes of ONNX files do to symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sparsectl.program.trace import NotPiecewiseLinear, Symbol, concatenate


def _gemm(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    x, y = (v.T if not isinstance(v, Symbol) and t else v.transpose() if t else v
            for v, t in zip(i, (a.get("transA", 0), a.get("transB", 0)), strict=False))  # fmt: skip
    product = (x @ y) * a.get("alpha", 1.0)
    added = i[2] if len(i) > 2 else None
    return [product if added is None else product + added * a.get("beta", 1.0)]


def _batch_norm(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    if a.get("training_mode", 0):
        raise NotPiecewiseLinear("in training mode")
    x, scale, bias, mean, variance = (
        v if isinstance(v, Symbol) else np.asarray(v, np.float64) for v in i
    )
    factor = scale / np.sqrt(variance + a.get("epsilon", 1e-5))
    trailing = (-1,) + (1,) * max(len(x.shape) - 2, 0)
    return [x * factor.reshape(trailing) + (bias - mean * factor).reshape(trailing)]


def _cast(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    if a.get("to") not in (1, 10, 11, 16):  # float, float16, double, bfloat16
        raise NotPiecewiseLinear("rounding to whole numbers")
    return [i[0]]


def _dropout(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    if len(i) > 2 and i[2] is not None and bool(i[2]):
        raise NotPiecewiseLinear("random, in training mode")
    return [i[0]]


def _clip(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    low, high = (*i[1:], None, None)[:2]
    return [i[0].clip(a.get("min", low), a.get("max", high))]


def _reshape(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    x, wanted = i[0], [int(n) for n in i[1]]
    if not a.get("allowzero", 0):
        wanted = [x.shape[k] if n == 0 else n for k, n in enumerate(wanted)]
    return [x.reshape(wanted)]


def _flatten(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    axis = a.get("axis", 1) % (len(i[0].shape) + 1)
    return [i[0].reshape(int(np.prod(i[0].shape[:axis])), -1)]


def _axes(i: list[Any], a: Mapping[str, Any]) -> list[int] | None:
    axes = i[1] if len(i) > 1 and i[1] is not None else a.get("axes")
    return None if axes is None else [int(k) for k in np.reshape(axes, -1)]


def _squeeze(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    n, axes = len(i[0].shape), _axes(i, a)
    gone = {k for k in range(n) if i[0].shape[k] == 1} if axes is None else {k % n for k in axes}
    return [i[0].reshape([size for k, size in enumerate(i[0].shape) if k not in gone])]


def _unsqueeze(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    axes = _axes(i, a) or []
    total = len(i[0].shape) + len(axes)
    sizes, new = iter(i[0].shape), {k % total for k in axes}
    return [i[0].reshape([1 if k in new else next(sizes) for k in range(total)])]


def _slice(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    x = i[0]
    given: list[Any] = [None if v is None else np.reshape(v, -1) for v in i[1:]]
    if not given:
        given = [a["starts"], a["ends"], a.get("axes")]
    starts, ends, axes, steps = (*given, None, None)[:4]
    index = [slice(None)] * len(x.shape)
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis, step = k if axes is None else int(axes[k]), 1 if steps is None else int(steps[k])
        size = x.shape[axis]
        # An end past the first entry, going down, has no spelling in a slice but None.
        stop = None if step < 0 and int(end) < -size else int(end)
        index[axis] = slice(int(start), stop, step)
    return [x[tuple(index)]]


def _gather(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    axis = a.get("axis", 0) % len(i[0].shape)
    chosen = np.asarray(i[1]).astype(int)
    if chosen.ndim > 1:
        raise ValueError("indices of more than one axis")
    picked = [i[0][(*[slice(None)] * axis, slice(k, k + 1))]
              for k in chosen.reshape(-1) % i[0].shape[axis]]  # fmt: skip
    joined = concatenate(picked, axis)
    return [joined if chosen.ndim else _squeeze([joined, [axis]], {})[0]]


def _split(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
    axis = a.get("axis", 0) % len(i[0].shape)
    size = i[0].shape[axis]
    sizes = i[1] if len(i) > 1 and i[1] is not None else a.get("split")
    if sizes is None:
        each = -(-size // int(a["num_outputs"]))
        sizes = [min(each, size - k) for k in range(0, size, each)]
    ends = np.cumsum(sizes)
    return [i[0][(*[slice(None)] * axis, slice(int(e - n), int(e)))]
            for n, e in zip(sizes, ends, strict=True)]  # fmt: skip


def _reduce(scale: Callable[[int, int], float]) -> Callable[..., list[Any]]:
    def reduce(i: list[Any], a: Mapping[str, Any]) -> list[Any]:
        axes = _axes(i, a)
        if not axes and a.get("noop_with_empty_axes", 0):
            return [i[0]]
        total = i[0].sum(tuple(axes) if axes else None, bool(a.get("keepdims", 1)))
        return [total * scale(i[0].c.size, total.c.size)]

    return reduce


OPERATIONS: dict[str, Callable[[list[Any], Mapping[str, Any]], list[Any]]] = {
    "Abs": lambda i, a: [i[0].leaky(-1.0)],
    "Add": lambda i, a: [i[0] + i[1]],
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda i, a: [concatenate(i, a["axis"])],
    "Div": lambda i, a: [i[0] / i[1]],
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "Identity": lambda i, a: [i[0]],
    "LeakyRelu": lambda i, a: [i[0].leaky(a.get("alpha", 0.01))],
    "MatMul": lambda i, a: [i[0] @ i[1]],
    "Max": lambda i, a: [_folded(i, Symbol.maximum)],
    "Mean": lambda i, a: [sum(i[1:], start=i[0]) * (1.0 / len(i))],
    "Min": lambda i, a: [_folded(i, Symbol.minimum)],
    "Mul": lambda i, a: [i[0] * i[1]],
    "Neg": lambda i, a: [-i[0]],
    "PRelu": lambda i, a: [i[0].leaky(i[1])],
    "ReduceMean": _reduce(lambda before, after: after / before),
    "ReduceSum": _reduce(lambda before, after: 1.0),
    "Relu": lambda i, a: [i[0].relu()],
    "Reshape": _reshape,
    "Shape": lambda i, a: [np.array(i[0].shape)[a.get("start", 0) : a.get("end")]],
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": lambda i, a: [i[0] - i[1]],
    "Sum": lambda i, a: [sum(i[1:], start=i[0])],
    "Transpose": lambda i, a: [i[0].transpose(*a.get("perm", ()))],
    "Unsqueeze": _unsqueeze,
}
"""By type: inputs and attributes -> outputs, of which at least one input is a symbol."""


def _folded(values: list[Any], pair: Callable[[Symbol, Any], Symbol]) -> Symbol:
    """A function of two, over all of them; a symbol comes first."""
    first = next(k for k, v in enumerate(values) if isinstance(v, Symbol))
    result = values[first]
    for value in values[:first] + values[first + 1 :]:
        result = pair(result, value)
    return result
