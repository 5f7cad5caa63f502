"""The canonical form: evaluation, levels, affine pieces, refusals."""

import itertools

import numpy as np
import pytest
import random_problems
import scipy.sparse as sp

from sparsectl.errors import NonFiniteError, ShapeError
from sparsectl.program import ReluProgram, algebra


def _layers(rng, sizes):
    weights = [rng.normal(size=(b, a)) for a, b in itertools.pairwise(sizes)]
    return weights, [rng.normal(size=len(W)) for W in weights]


def test_equals_the_network_it_was_made_from():
    rng = np.random.default_rng(0)
    weights, biases = _layers(rng, [6, 5, 4, 3])
    program = algebra.from_layers(weights, biases)
    v = rng.normal(size=(2, 7, 6))
    h = v
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        h = np.maximum(h @ W.T + b, 0)
    np.testing.assert_allclose(program(v), h @ weights[-1].T + biases[-1], atol=1e-12)
    assert [(lv.start, lv.stop) for lv in program.levels] == [(0, 5), (5, 9)]


def test_affine_piece_reproduces_outputs_and_preactivations():
    rng = np.random.default_rng(1)
    program = random_problems.dynamics(rng, 3, 2, (6, 5))
    v = rng.normal(size=5)
    y, pre = program.evaluate(v)
    M, c, P, p = program.affine(pre > 0)
    np.testing.assert_allclose(M @ v + c, y, atol=1e-12)
    np.testing.assert_allclose(P @ v + p, pre, atol=1e-12)


def test_program_without_neurons_is_affine():
    program = algebra.affine(np.eye(2, 3), np.ones(2))
    assert program.m == 0
    np.testing.assert_array_equal(program.rollout(np.zeros(2), np.ones((4, 1)))[-1], [4.0, 4.0])


def test_rollout_shares_a_start_over_a_batch():
    rng = np.random.default_rng(2)
    program = random_problems.dynamics(rng, 3, 2, (4,))
    actions = rng.normal(size=(5, 4, 2))
    states = program.rollout(np.ones(3), actions)
    assert states.shape == (5, 5, 3)
    np.testing.assert_allclose(states[2], program.rollout(np.ones(3), actions[2]), atol=1e-12)


def test_refuses_nonfinite_weights_wrong_shapes_and_cycles():
    A = sp.csr_array(np.array([[1.0, 0.0]]))
    C = sp.csr_array(np.array([[1.0, 1.0]]))
    good = {"n_in": 1, "A": A, "b": np.zeros(1), "C": C, "d": np.zeros(1)}
    ReluProgram(**good)
    with pytest.raises(NonFiniteError, match="b"):
        ReluProgram(**{**good, "b": np.array([np.nan])})
    with pytest.raises(ShapeError, match="A has shape"):
        ReluProgram(**{**good, "b": np.zeros(2)})
    with pytest.raises(ShapeError, match="topological"):
        ReluProgram(**{**good, "A": sp.csr_array(np.array([[1.0, 1.0]]))})
    with pytest.raises(ShapeError, match="expected"):
        ReluProgram(**good)(np.zeros(3))
