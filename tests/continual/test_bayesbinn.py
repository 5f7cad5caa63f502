"""BayesBiNN: its step, its prior, and what it learns; and relaxed weights, which BiMU has too."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_tasks import (
    DIGITS,
    REGRESSION,
    RELU,
    digits,
    learn,
    teacher,
)

from sparsectl.continual.learners.bayesbinn import BayesBiNNConfig, BayesBiNNLearner
from sparsectl.continual.learners.posterior import moments


def made(network, head, n_in, seed=0, **settings):
    return BayesBiNNLearner(BayesBiNNConfig(**settings), network, n_in, head, seed)


@given(st.floats(-300, 300))
@settings(max_examples=60, deadline=None)
def test_variance_is_accurate_for_every_natural_parameter(x):
    found = float(moments(torch.tensor(x, dtype=torch.float64))[1])
    assert found == pytest.approx(1 / math.cosh(x) ** 2, rel=1e-9, abs=0)


def test_relaxed_weights_become_draws_of_the_belief_as_the_temperature_falls():
    learner = made(RELU, REGRESSION, 8)
    learner.groups["natural"] = learner.constant(0.5)
    hard = learner.relaxed(400, 1e-6)[0]
    assert float((hard.abs() > 0.999).double().mean()) > 0.999
    assert float(hard.mean()) == pytest.approx(math.tanh(0.5), abs=0.01)
    drawn = learner.weights("sample")[0]
    assert (drawn.abs() == 1).all()
    assert float(drawn.mean()) == pytest.approx(math.tanh(0.5), abs=0.12)
    soft = learner.relaxed(400, 1.0)[0]
    assert float(soft.var()) < 0.7 * float(hard.var())


def test_a_step_is_the_natural_gradient():
    learner = made(RELU, REGRESSION, 8, rate=1e-4, prior_weight=2.0, temperature=0.7)
    learner.groups["prior"] = learner.constant(0.4)
    before = [w.clone() for w in learner.groups["natural"]]
    noisy = made(RELU, REGRESSION, 8, rate=1e-4, temperature=0.7)
    noise = [noisy._noise((1, *w.shape))[0] for w in before]
    x, y = teacher(16)
    learner.observe(x, y, examples=500)
    lambdas = [w.clone().requires_grad_() for w in before]
    weights = [torch.tanh((w + d) / 0.7) for w, d in zip(lambdas, noise, strict=True)]
    REGRESSION.losses(learner.layers(weights, x), y).mean().backward()
    for old, new, w in zip(before, learner.groups["natural"], lambdas, strict=True):
        natural_gradient = w.grad / (1 - torch.tanh(old) ** 2)
        expected = old - 1e-4 * (500 * natural_gradient + 2.0 * (old - 0.4))
        torch.testing.assert_close(new, expected, rtol=1e-4, atol=1e-6)


def test_the_prior_is_the_belief_at_the_end_of_the_task_before():
    learner = made(RELU, REGRESSION, 8)
    learn(learner, *teacher(), epochs=1)
    held = [w.clone() for w in learner.groups["natural"]]
    assert all((p == 0).all() for p in learner.groups["prior"])
    learner.end_task()
    learn(learner, *teacher(seed=3), epochs=1)
    assert all(torch.equal(p, h) for p, h in zip(learner.groups["prior"], held, strict=True))


def test_a_strong_prior_holds_the_weights_where_they_were():
    moved = []
    for weight in (0.0, 1.0):
        learner = made(RELU, REGRESSION, 8, prior_weight=weight, rate=0.3)
        learner.end_task()
        before = learner.groups["natural"][0]
        learn(learner, *teacher(), epochs=5)
        moved.append(float((learner.groups["natural"][0] - before).abs().mean()))
    assert moved[1] < 0.5 * moved[0]


def test_predicting_changes_nothing_that_is_learnt():
    quiet, curious = made(RELU, REGRESSION, 8), made(RELU, REGRESSION, 8)
    x, y = teacher(64)
    for _ in range(3):
        quiet.observe(x, y)
        curious.observe(x, y)
        curious.predict(x, "sample")
        curious.samples(x, 3)
    a, b = quiet.state(), curious.state()
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_samples_are_networks_of_the_belief():
    learner = made(RELU, DIGITS, 64)
    x = digits().test_inputs[:5]
    drawn = learner.samples(x, 7)
    assert drawn.shape == (7, 5, 10)
    assert not torch.equal(drawn[0], drawn[1])
    torch.testing.assert_close(drawn.sum(-1), torch.ones(7, 5))
    assert torch.equal(learner.predict(x, "sample"), learner.samples(x, 20).mean(0))
    learner.groups["natural"] = [w * 100 for w in learner.groups["natural"]]
    torch.testing.assert_close(learner.samples(x, 2)[1], learner.predict(x, "sign"))
