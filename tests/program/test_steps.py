"""Step and sign neurons in the canonical form: values, thresholds, operations, bounds."""

import itertools

import numpy as np
import pytest
import random_problems
import random_steps
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError, ShapeError
from sparsectl.mip import bound_neurons
from sparsectl.program import ReluProgram, algebra
from sparsectl.program.network import lower_network, without_constants

KINDS = st.lists(st.sampled_from(["relu", "sign", "step"]), min_size=1, max_size=3)
ACTIVATIONS = {
    "relu": torch.relu,
    "sign": lambda z: torch.where(z >= 0, 1.0, -1.0).double(),
    "step": lambda z: (z >= 0).double(),
}


def _case(seed, kinds, nx=3, nu=2):
    rng = np.random.default_rng(seed)
    hidden = tuple(int(k) for k in rng.integers(1, 6, size=len(kinds)))
    return rng, random_steps.dynamics(rng, nx, nu, hidden, kinds, bits=bool(seed % 2))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), kinds=KINDS, bits=st.booleans())
def test_equals_torch(seed, kinds, bits):
    rng = np.random.default_rng(seed)
    sizes = [4, *rng.integers(1, 7, size=len(kinds)).tolist(), 3]
    layers = random_steps.layers(rng, sizes, bits)
    program = lower_network(layers, kinds)
    v = rng.normal(size=(50, 4))
    a = torch.from_numpy(v)
    for i, (W, b) in enumerate(layers):
        a = a @ torch.from_numpy(W).T + torch.from_numpy(b)
        a = ACTIVATIONS[kinds[i]](a) if i < len(kinds) else a
    np.testing.assert_allclose(program(v), a.numpy(), atol=1e-9)
    assert program.m == sum(sizes[1:-1])


def test_a_step_at_zero_is_one_and_its_sign_plus_one():
    layers = [(np.array([[1.0]]), np.zeros(1)), (np.array([[1.0]]), np.zeros(1))]
    v = np.array([[-1e-300], [-0.0], [0.0], [1e-300]])
    assert lower_network(layers, "step")(v).ravel().tolist() == [0, 1, 1, 1]
    assert lower_network(layers, "sign")(v).ravel().tolist() == [-1, 1, 1, 1]
    assert lower_network(layers, "step").patterns(np.zeros(1), np.zeros((1, 0))).tolist() == [
        [True]
    ]
    assert lower_network(layers, "relu").patterns(np.zeros(1), np.zeros((1, 0))).tolist() == [
        [False]
    ]


def test_ties_of_one_bit_weights_are_exact_although_their_scale_is_not():
    rng = np.random.default_rng(0)
    bits = [rng.choice([-1, 1], size=shape) for shape in ((6, 7), (5, 7), (2, 6))]
    scaled = [(W / np.sqrt(W.shape[1])).astype(np.float32) for W in bits]
    layers = [without_constants(W, W.shape[1] - 1) for W in scaled]
    program = lower_network(layers, "sign")
    v = np.array(list(itertools.product([-1.0, 1.0], repeat=6)))
    a, ties = v.astype(int), 0
    for W in bits[:-1]:
        field = np.concatenate([a, np.ones((len(a), 1), dtype=int)], axis=1) @ W.T
        a, ties = np.where(field >= 0, 1, -1), int((field == 0).sum())
    expected = a @ layers[-1][0].T + layers[-1][1]
    np.testing.assert_allclose(program(v), expected, atol=1e-12)
    assert ties == 0  # seven terms of one: odd
    even = lower_network([(W[:, :6], np.zeros(len(W))) for W in scaled[:2]] + layers[2:], "sign")
    first = np.where(v @ bits[0][:, :6].T >= 0, 1, -1)
    field = first @ bits[1][:, :6].T
    assert (field == 0).any()
    np.testing.assert_allclose(
        even(v), np.where(field >= 0, 1, -1) @ layers[2][0].T + layers[2][1], atol=1e-12
    )
    later = even.A[6:].data
    assert (later == np.round(later)).all()


@pytest.mark.parametrize("kind", ["sign", "step"])
def test_equal_and_opposite_fields_are_one_neuron(kind):
    W = np.array([[-1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    b = np.array([0.5, -0.5, 0.5, 0.5, 0.0, 1.0])
    rng = np.random.default_rng(0)
    layers = [(W, b), (rng.normal(size=(3, 6)), rng.normal(size=3))]
    program = lower_network(layers, kind)
    assert program.m == 4
    v = rng.normal(size=(100, 2))
    a = np.where(v @ W.T + b >= 0, 1.0, -1.0 if kind == "sign" else 0.0)
    np.testing.assert_allclose(program(v), a @ layers[1][0].T + layers[1][1], atol=1e-12)
    # After signs ties are no accident: nothing is merged.
    even = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0]])
    none = np.zeros(3)
    deep = lower_network([(np.eye(2), none[:2]), (even, none), (np.eye(3), none)], kind)
    assert deep.m == 5


def test_real_rows_are_left_alone():
    rng = np.random.default_rng(1)
    layers = random_steps.layers(rng, [3, 4, 4, 2], bits=False)
    program = lower_network(layers, "step")
    np.testing.assert_array_equal(program.A[4:, 3:7].toarray(), layers[1][0])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), kinds=KINDS, horizon=st.integers(1, 3))
def test_operations_keep_what_a_neuron_is(seed, kinds, horizon):
    rng, program = _case(seed, kinds)
    v, M = rng.normal(size=(8, 4)), rng.normal(size=(5, 4))
    before = algebra.precompose(program, M, np.ones(5))
    w = v @ M.T + 1
    np.testing.assert_allclose(before(v), program(w), atol=1e-9)
    outer = random_problems.dynamics(rng, 2, 1, (3,))
    np.testing.assert_allclose(algebra.compose(outer, before)(v), outer(before(v)), atol=1e-9)
    side = algebra.stack([before, algebra.compose(outer, before)])
    np.testing.assert_allclose(side(v)[:, 3:], outer(before(v)), atol=1e-9)
    assert side.step.sum() == 2 * program.step.sum()
    x0, actions = rng.normal(size=3), rng.normal(size=(horizon, 2))
    whole = algebra.unroll(program, x0, horizon)
    np.testing.assert_allclose(
        whole(actions.ravel()), program.rollout(x0, actions)[1:].ravel(), atol=1e-8
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), kinds=KINDS)
def test_known_neurons_are_substituted_exactly(seed, kinds):
    rng, program = _case(seed, kinds)
    v = rng.normal(size=5)
    y, pre = program.evaluate(v)
    known = rng.random(program.m) < 0.6
    reduced = algebra.reduce(program, known & (pre >= 0), known & (pre < 0))
    assert reduced.m == program.m - known.sum()
    np.testing.assert_allclose(reduced(v), y, atol=1e-9)
    np.testing.assert_allclose(algebra.prune(program)(v), y, atol=1e-9)
    M, c, P, p = program.affine(pre >= 0)
    np.testing.assert_allclose(M @ v + c, y, atol=1e-9)
    np.testing.assert_allclose(P @ v + p, pre, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    kinds=KINDS,
    horizon=st.integers(1, 3),
    method=st.sampled_from(["interval", "crown", "lp"]),
)
def test_bounds_hold_every_rollout(seed, kinds, horizon, method):
    rng, program = _case(seed, kinds)
    problem = random_problems.problem(rng, 3, 2, horizon, "l1", constrained=False)
    bounds = bound_neurons(program, problem, method)
    actions = rng.uniform(-1, 1, size=(300, horizon, 2))
    actions[:100] = np.sign(actions[:100])
    states = program.rollout(problem.x0, actions)
    pre = program.evaluate(np.concatenate([states[:, :-1], actions], axis=-1))[1]
    assert (states >= bounds.x_low).all()
    assert (states <= bounds.x_high).all()
    assert (pre >= bounds.pre_low).all()
    assert (pre <= bounds.pre_high).all()
    interval = bound_neurons(program, problem, "interval")
    assert (bounds.x_high <= interval.x_high + 1e-9).all()


def test_backward_bounds_of_steps_are_tighter_than_intervals():
    rng = np.random.default_rng(4)
    program = random_steps.dynamics(rng, 3, 2, (8, 8), "sign")
    problem = random_problems.problem(rng, 3, 2, 3, "l1", constrained=False)
    crown, interval = (bound_neurons(program, problem, m) for m in ("crown", "interval"))
    assert (crown.pre_high - crown.pre_low).sum() < 0.97 * (
        interval.pre_high - interval.pre_low
    ).sum()


def test_refusals_say_what_to_do():
    layers = random_steps.layers(np.random.default_rng(0), [3, 4, 2], bits=True)
    with pytest.raises(ConfigError, match="did you mean 'sign'"):
        lower_network(layers, "sgn")
    with pytest.raises(ConfigError, match="2 activations for 1 hidden"):
        lower_network(layers, ["sign", "relu"])
    with pytest.raises(ConfigError, match="at least one layer"):
        lower_network([])
    with pytest.raises(ShapeError, match=r"layer 1 has weights of shape \(2, 4\)"):
        lower_network([(np.eye(3), np.zeros(3)), layers[1]])
    with pytest.raises(ShapeError, match="expected"):
        without_constants(np.eye(2), 3)
    program = lower_network(layers, "sign")
    with pytest.raises(ShapeError, match="step has shape"):
        ReluProgram(program.n_in, program.A, program.b, program.C, program.d, np.ones(3, bool))
    with pytest.raises(ConfigError, match=r"4 step \(sign\) neurons: plan with controller mip"):
        program.require_relus("this")
