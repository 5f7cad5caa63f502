"""BiMU: its step and what it learns."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_tasks import (
    REGRESSION,
    RELU,
    teacher,
)

from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.bimu import BiMUConfig, BiMULearner, bimu_step

FAST = {"likelihood": 1000.0, "max_rate": 0.01, "init": 1.0}
NORMED = NetworkConfig(hidden=(128,), norm="layer", gain=2.0)


def made(network, head, n_in, seed=0, **settings):
    return BiMULearner(BiMUConfig(**settings), network, n_in, head, seed)


def published(lam, g, c):
    """The formula, in plain floating-point numbers."""
    sech2 = 1 / math.cosh(lam) ** 2
    up = c.rate * c.likelihood * g + lam * c.divergence * sech2 / c.memory
    data = c.likelihood * g
    down = c.divergence * sech2 + 2 * data * math.tanh(lam) + 2 * abs(data) + 1 / c.max_rate
    return -up / down


@given(st.floats(-20, 20), st.floats(-50, 50))
@settings(max_examples=100, deadline=None)
def test_a_step_is_the_published_one(lam, g):
    c = BiMUConfig()
    t = [torch.tensor([v], dtype=torch.float64) for v in (lam, g)]
    assert float(bimu_step(*t, c)) == pytest.approx(published(lam, g, c), rel=1e-9, abs=1e-12)


@given(st.floats(-500, 500), st.floats(-1e6, 1e6))
@settings(max_examples=100, deadline=None)
def test_a_step_is_bounded_however_large_the_numbers(lam, g):
    c = BiMUConfig()
    step = float(bimu_step(torch.tensor([lam]), torch.tensor([g]), c))
    assert math.isfinite(step)
    bound = c.max_rate * (c.rate * c.likelihood * abs(g) + c.divergence / c.memory)
    assert abs(step) <= bound * (1 + 1e-5)


def test_what_is_certain_is_hard_to_undo_and_easy_to_confirm():
    c = BiMUConfig()
    lam, g = torch.tensor([2.0, 2.0]), torch.tensor([-5.0, 5.0])
    outwards, inwards = bimu_step(lam, g, c)
    assert outwards > 0 > inwards
    assert float(outwards) > -3 * float(inwards)


def test_forgets_towards_uncertainty_the_sooner_the_shorter_its_memory():
    lam, still = torch.tensor([1.0, -1.0]), torch.zeros(2)
    short = bimu_step(lam, still, BiMUConfig(memory=10.0))
    long = bimu_step(lam, still, BiMUConfig(memory=1000.0))
    assert (short * lam < 0).all()
    torch.testing.assert_close(short, 100 * long)


def test_without_gradients_nothing_is_forgotten():
    learner = made(RELU, REGRESSION, 8)
    learner.groups["natural"] = learner.constant(40.0)  # relaxed weights have no slope here
    before = [w.clone() for w in learner.groups["natural"]]
    assert learner.observe(*teacher(8)).outcome == "updated"
    assert all(torch.equal(a, b) for a, b in zip(before, learner.groups["natural"], strict=True))


def test_gradients_are_summed_over_examples():
    x, y = teacher(8)
    once, twice = made(RELU, REGRESSION, 8), made(RELU, REGRESSION, 8)
    start = once.groups["natural"][0].clone()
    for learner, data in ((once, (x, y)), (twice, (x.repeat(2, 1), y.repeat(2, 1)))):
        learner.config = BiMUConfig(likelihood=1e-3, memory=1e12)  # linear in the gradient
        learner.observe(*data)
    a, b = (learner.groups["natural"][0] - start for learner in (once, twice))
    assert float((a * b).sum() / a.square().sum()) == pytest.approx(2.0, rel=0.02)
