"""Run a network's operations once on symbols, and read off its ReLU program.

    tape = Tape(5)
    x = tape.inputs((1, 5))
    program = tape.program((x @ W + b).relu() @ V + x[:, :2])

A symbol is an array whose entries are affine in the inputs and in the neurons made so far. Adding,
scaling by constants, multiplying with constant matrices, slicing and joining give symbols again;
what bends makes neurons. Nothing here approximates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from sparsectl.errors import ShapeError
from sparsectl.program.relu_program import ReluProgram

Operand: TypeAlias = "Symbol | np.ndarray | float"


class NotPiecewiseLinear(TypeError):
    """A product or a quotient of two things that both depend on the inputs."""


@dataclass
class Tape:
    """The neurons that symbols have made."""

    n_in: int
    _rows: list[np.ndarray] = field(default_factory=list, repr=False)
    _biases: list[np.ndarray] = field(default_factory=list, repr=False)
    _m: int = 0

    def inputs(self, shape: Sequence[int], start: int = 0) -> Symbol:
        """Inputs from `start` on, in an array of a shape."""
        size = int(np.prod(shape))
        W = np.eye(size, self.n_in, start).reshape(*shape, self.n_in)
        return Symbol(self, W, np.zeros(tuple(shape)))

    def neurons(self, pre: Symbol) -> Symbol:
        """ReLUs of pre-activations, in an array of the same shape."""
        W, c = pre.W.reshape(pre.c.size, -1), pre.c.reshape(-1)
        start = self.n_in + self._m
        self._rows.append(W)
        self._biases.append(c)
        self._m += len(c)
        own = np.eye(len(c), self.n_in + self._m, start)
        return Symbol(self, own.reshape(*pre.shape, -1), np.zeros(pre.shape))

    def program(self, output: Symbol) -> ReluProgram:
        """Inputs to the entries of a symbol. Neurons come in the order of their depth.

        Raises:
            NonFiniteError: a NaN or infinity among the constants.
        """
        n, width = self.n_in, self.n_in + self._m
        A = np.concatenate([_padded(W, width) for W in self._rows] or [np.zeros((0, width))])
        b = np.concatenate([*self._biases, np.zeros(0)])
        C = _padded(output.W.reshape(output.c.size, -1), width)
        depth = np.zeros(self._m, dtype=int)
        for i in range(self._m):
            depth[i] = 1 + depth[:i][A[i, n : n + i] != 0].max(initial=0)
        order = np.argsort(depth, kind="stable")
        columns = np.concatenate([np.arange(n), n + order])
        return ReluProgram(
            n, sp.csr_array(A[order][:, columns]), b[order], sp.csr_array(C[:, columns]),
            output.c.reshape(-1),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Symbol:
    """An array of affine expressions; NumPy arrays are the constants among them.

    Attributes:
        W: coefficients of inputs and neurons. Shape (*shape, columns).
        c: constants. Shape (*shape).
    """

    tape: Tape
    W: np.ndarray
    c: np.ndarray

    __array_ufunc__ = None  # so that `array + symbol` asks the symbol

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.c.shape

    def __add__(self, other: Operand) -> Symbol:
        if not isinstance(other, Symbol):
            c = self.c + np.asarray(other, dtype=np.float64)
            return Symbol(self.tape, _broadcast(self.W, c.shape), c)
        width = max(self.W.shape[-1], other.W.shape[-1])
        c = self.c + other.c
        W = [_broadcast(_padded(s.W, width), c.shape) for s in (self, other)]
        return Symbol(self.tape, W[0] + W[1], c)

    def __mul__(self, other: Operand) -> Symbol:
        factor = _constant(other, "product")
        c = self.c * factor
        return Symbol(self.tape, _broadcast(self.W, c.shape) * factor[..., None], c)

    def __truediv__(self, other: Operand) -> Symbol:
        return self * (1.0 / _constant(other, "quotient"))

    def __rtruediv__(self, other: Operand) -> Symbol:
        raise NotPiecewiseLinear("a quotient by what depends on the inputs")

    def __neg__(self) -> Symbol:
        return self * -1.0

    def __sub__(self, other: Operand) -> Symbol:
        return self + (-other if isinstance(other, Symbol) else -np.asarray(other, np.float64))

    def __rsub__(self, other: Operand) -> Symbol:
        return -self + other

    __radd__, __rmul__ = __add__, __mul__

    def __matmul__(self, other: Operand) -> Symbol:
        M = _constant(other, "product")
        if M.ndim > 2 or M.shape[:1] != self.shape[-1:]:
            raise ShapeError(f"arrays of shapes {self.shape} and {M.shape} cannot be multiplied")
        W = np.moveaxis(np.tensordot(self.W, M, (self.c.ndim - 1, 0)), self.c.ndim - 1, -1)
        return Symbol(self.tape, W, self.c @ M)

    def __rmatmul__(self, other: Operand) -> Symbol:
        """Constant matrices times a matrix or vector."""
        if self.c.ndim > 2:
            raise ShapeError(f"a constant matrix times an array of shape {self.shape}")
        return (self.transpose() @ np.asarray(other).T).transpose()

    def __getitem__(self, index: Any) -> Symbol:
        c = self.c[index]
        # Coefficients have one more axis, which an ellipsis must not swallow.
        index = index if isinstance(index, tuple) else (index,)
        last = index if any(i is Ellipsis for i in index) else (*index, Ellipsis)
        return Symbol(self.tape, self.W[(*last, slice(None))], c)

    def reshape(self, *shape: Any) -> Symbol:
        """As NumPy's."""
        c = self.c.reshape(*shape)
        return Symbol(self.tape, self.W.reshape(*c.shape, -1), c)

    def transpose(self, *axes: Any) -> Symbol:
        """As NumPy's."""
        n = self.c.ndim
        order = np.reshape(axes, -1) % n if axes else np.arange(n)[::-1]
        return Symbol(self.tape, self.W.transpose(*order, n), self.c.transpose(*order))

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Symbol:
        """As NumPy's."""
        axes = range(self.c.ndim) if axis is None else np.atleast_1d(axis)
        place = tuple(int(a) % self.c.ndim for a in axes)
        W = self.W.sum(axis=place, keepdims=keepdims)
        return Symbol(self.tape, W, self.c.sum(axis=place, keepdims=keepdims))

    def relu(self) -> Symbol:
        """max(0, .), one neuron an entry."""
        return self.tape.neurons(self)

    def leaky(self, slope: Operand) -> Symbol:
        """max(0, .) + slope min(0, .)."""
        return self.relu() * (1.0 - _constant(slope, "product")) + self * slope

    def maximum(self, other: Operand) -> Symbol:
        """The larger one, entry by entry."""
        return (self - other).relu() + other

    def minimum(self, other: Operand) -> Symbol:
        """The smaller one, entry by entry."""
        return self - (self - other).relu()

    def clip(self, low: np.ndarray | float | None, high: np.ndarray | float | None) -> Symbol:
        """Within bounds; None or an infinity: none on that side."""
        above = self if low is None or np.all(np.isneginf(low)) else self.maximum(low)
        return above if high is None or np.all(np.isposinf(high)) else above.minimum(high)


def concatenate(parts: Sequence[Operand], axis: int) -> Symbol | np.ndarray:
    """As NumPy's, of symbols and constants."""
    tapes = [part.tape for part in parts if isinstance(part, Symbol)]
    if not tapes:
        return np.concatenate([np.asarray(part) for part in parts], axis)
    symbols = [
        part if isinstance(part, Symbol)
        else Symbol(tapes[0], np.zeros((*np.shape(part), 1)), np.asarray(part, dtype=np.float64))
        for part in parts
    ]  # fmt: skip
    width = max(s.W.shape[-1] for s in symbols)
    axis %= symbols[0].c.ndim
    W = np.concatenate([_padded(s.W, width) for s in symbols], axis)
    return Symbol(tapes[0], W, np.concatenate([s.c for s in symbols], axis))


def _padded(W: np.ndarray, width: int) -> np.ndarray:
    missing = width - W.shape[-1]
    return np.concatenate([W, np.zeros((*W.shape[:-1], missing))], -1) if missing else W


def _broadcast(W: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Coefficients of an array that is broadcast to a shape; axes are added in front."""
    front = len(shape) + 1 - W.ndim
    return np.broadcast_to(W.reshape((1,) * front + W.shape), (*shape, W.shape[-1]))


def _constant(value: Operand, what: str) -> np.ndarray:
    if isinstance(value, Symbol):
        if value.W.any():
            raise NotPiecewiseLinear(f"a {what} of two things that depend on the inputs")
        return value.c
    return np.asarray(value, dtype=np.float64)
