"""Every operation on programs equals the same operation on functions."""

import numpy as np
import random_problems
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.program import algebra

shapes = st.tuples(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 3), st.integers(1, 6))


def _case(shape):
    seed, nx, nu, k = shape
    rng = np.random.default_rng(seed)
    return rng, nx, nu, random_problems.dynamics(rng, nx, nu, (k, k))


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_compose_pre_post_add_fix_stack(shape):
    rng, nx, nu, program = _case(shape)
    n = nx + nu
    M, c = rng.normal(size=(n, 5)), rng.normal(size=n)
    v = rng.normal(size=(6, 5))
    before = algebra.precompose(program, M, c)
    np.testing.assert_allclose(before(v), program(v @ M.T + c), atol=1e-9)
    K = rng.normal(size=(2, nx))
    np.testing.assert_allclose(
        algebra.postcompose(program, K, np.ones(2))(v @ M.T), program(v @ M.T) @ K.T + 1, atol=1e-9
    )
    R = rng.normal(size=(nx, 5))
    np.testing.assert_allclose(algebra.add_linear(before, R)(v), before(v) + v @ R.T, atol=1e-9)
    outer = random_problems.dynamics(rng, nx, 1, (3,))
    inner = algebra.stack([before, algebra.affine(np.eye(1, 5), np.zeros(1))])
    w = np.concatenate([before(v), v[:, :1]], axis=1)
    np.testing.assert_allclose(algebra.compose(outer, inner)(v), outer(w), atol=1e-9)
    summed = algebra.stack([before, before], weights=[0.25, 0.75])
    np.testing.assert_allclose(summed(v), before(v), atol=1e-9)
    fixed = algebra.fix_inputs(before, np.array([1, 3]), np.array([2.0, -1.0]))
    u = v.copy()
    u[:, [1, 3]] = [2.0, -1.0]
    np.testing.assert_allclose(fixed(v[:, [0, 2, 4]]), before(u), atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(shapes, st.integers(1, 4))
def test_unrolled_program_equals_the_rollout(shape, horizon):
    rng, nx, nu, program = _case(shape)
    x0, actions = rng.normal(size=nx), rng.normal(size=(horizon, nu))
    whole = algebra.unroll(program, x0, horizon)
    assert whole.m == horizon * program.m
    expected = program.rollout(x0, actions)[1:].ravel()
    np.testing.assert_allclose(whole(actions.ravel()), expected, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_reduce_is_exact_where_the_signs_hold(shape):
    rng, nx, nu, program = _case(shape)
    v = rng.normal(size=nx + nu)
    y, pre = program.evaluate(v)
    known = rng.random(program.m) < 0.6
    reduced = algebra.reduce(program, known & (pre > 0), known & (pre <= 0))
    assert reduced.m == program.m - known.sum()
    np.testing.assert_allclose(reduced(v), y, atol=1e-9)


def test_all_identity_or_all_zero_leaves_an_affine_program():
    program = random_problems.dynamics(np.random.default_rng(0), 2, 1, (4, 4))
    every, none = np.ones(8, bool), np.zeros(8, bool)
    assert algebra.reduce(program, every, none).m == 0
    assert algebra.reduce(program, none, every).m == 0
