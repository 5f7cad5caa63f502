"""Symbols compute what NumPy computes, whatever is done to them."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.program.trace import NotPiecewiseLinear, Symbol, Tape, concatenate

DRAW = np.random.default_rng(0)
M, ROW = DRAW.normal(size=(3, 4)), DRAW.normal(size=6)


def relu(x):
    return x.relu() if isinstance(x, Symbol) else np.maximum(x, 0.0)


def larger(x, y):
    return x.maximum(y) if isinstance(x, Symbol) else np.maximum(x, y)


def smaller(x, y):
    return x.minimum(y) if isinstance(x, Symbol) else np.minimum(x, y)


def clip(x, low, high):
    return x.clip(low, high) if isinstance(x, Symbol) else np.clip(x, low, high)


def turned(x):
    """A matrix with constants around it, on both sides."""
    square = x.reshape(2, 3)
    return (M.T @ square.transpose() - 1.0).transpose(1, 0) @ np.ones(4) + square[:, 1]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: relu(x * ROW - 0.2) / 3.0 + x,
        lambda x: 1.0 - relu(relu(x[:, ::2] @ M) - x[..., :4]),
        lambda x: larger(x, 0.1 - x) - smaller(x[:, 1:2], ROW),
        lambda x: clip(x, -0.3, 0.4)[:, None, :].sum(axis=1),
        lambda x: (x.sum(keepdims=True) + ROW).reshape(3, 2),
        turned,
    ],
)
def test_a_symbol_is_what_numpy_computes(f):
    tape = Tape(6)
    out = f(tape.inputs((1, 6)))
    program = tape.program(out)
    for v in DRAW.normal(size=(20, 6)):
        expected = f(v[None])
        assert out.shape == expected.shape
        assert np.allclose(program(v), expected.ravel(), rtol=0, atol=1e-12)


def test_joining_takes_constants_too():
    tape = Tape(2)
    x = tape.inputs((1, 2))
    program = tape.program(concatenate([np.ones((1, 1)), x.relu(), x], 1))
    assert np.allclose(program([-2.0, 3.0]), [1, 0, 3, -2, 3])


def test_neurons_come_by_depth_however_the_branches_were_run():
    tape = Tape(2)
    x = tape.inputs((1, 2))
    first = x.relu().relu()
    second = (-x).relu().relu()
    levels = tape.program(first + second).levels
    assert [level.stop - level.start for level in levels] == [4, 4]


@pytest.mark.parametrize("f", [lambda x: x * x, lambda x: 1.0 / x, lambda x: x @ x[0]])
def test_products_of_inputs_are_refused(f):
    with pytest.raises(NotPiecewiseLinear):
        f(Tape(3).inputs((1, 3)))
