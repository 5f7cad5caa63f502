"""Metaplastic binary networks: the rule, and what it holds on to."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learning_tasks import (
    REGRESSION,
    RELU,
    learn,
    teacher,
)

from sparsectl.continual.learners.metaplastic import (
    MetaplasticConfig,
    MetaplasticLearner,
    metaplastic_step,
)


def made(network, head, n_in, **settings):
    return MetaplasticLearner(MetaplasticConfig(**settings), network, n_in, head)


@given(st.floats(-5, 5), st.floats(-1, 1), st.floats(0, 20))
def test_only_steps_towards_0_are_held_back(w, step, m):
    t = [torch.tensor([v], dtype=torch.float64) for v in (w, step)]
    taken = float(metaplastic_step(*t, m))
    if w * step < 0:
        assert taken == pytest.approx(step * (1 - math.tanh(m * w) ** 2), abs=1e-12)
    else:
        assert taken == step


def test_weights_far_out_cannot_be_flipped():
    far = torch.tensor([300.0, -300.0])
    step = metaplastic_step(far, -far, 10.0)
    assert torch.equal(step, torch.zeros(2))


def test_first_step_is_adams_where_nothing_is_held_back():
    plain = made(RELU, REGRESSION, 8, metaplasticity=0.0, decay=0.0)
    before = [w.clone() for w in plain.groups["latent"]]
    plain.observe(*teacher(32))
    for old, new in zip(before, plain.groups["latent"], strict=True):
        sizes = (new - old).abs()
        assert ((sizes < 1e-7) | ((sizes - 0.005).abs() < 1e-4)).all()  # Adam's first: the rate


def test_weights_that_were_pushed_far_flip_less_in_a_second_task():
    def flipped(m):
        learner = made(RELU, REGRESSION, 8, metaplasticity=m)
        learn(learner, *teacher(), epochs=10)
        before = learner.groups["latent"][0]
        far = before.abs() >= before.abs().flatten().quantile(0.75)
        x, y = teacher(seed=3)
        learn(learner, x, -y, epochs=4)
        return int((far & (before * learner.groups["latent"][0] < 0)).sum())

    assert flipped(30.0) < 0.5 * flipped(0.0)
