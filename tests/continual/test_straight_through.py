"""Straight-through estimators: their slopes, and what they learn."""

import math

import pytest
import torch
from learning_tasks import (
    DIGITS,
    REGRESSION,
    RELU,
    learn,
    teacher,
)

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig, signs
from sparsectl.continual.learners.build import build
from sparsectl.continual.learners.optimiser import OptimiserConfig
from sparsectl.continual.learners.straight_through import (
    StraightThroughConfig,
    StraightThroughLearner,
    biper_slope,
    reste_exponent,
    reste_slope,
)

ESTIMATORS = ("identity", "reste", "biper")


def made(network, head, n_in, **settings):
    return StraightThroughLearner(StraightThroughConfig(**settings), network, n_in, head)


def test_slope_of_reste_is_the_derivative_where_it_is_not_bounded():
    for o in (1.0, 1.7, 3.0):
        w = torch.tensor([-1.4, -0.5, -0.2, 0.11, 0.9], dtype=torch.float64, requires_grad=True)
        (w.sign() * w.abs().pow(1 / o)).sum().backward()
        assert torch.allclose(reste_slope(w.detach(), o), w.grad)
        core = torch.tensor([0.0, 0.03, -0.1], dtype=torch.float64)
        assert torch.allclose(reste_slope(core, o), torch.full_like(core, 0.1 ** (1 / o) / 0.1))
        assert reste_slope(torch.tensor([1.6, -300.0]), o).tolist() == [0.0, 0.0]


def test_exponent_of_reste_rises_from_1_and_stays_at_its_end():
    assert reste_exponent(0, 100, 3.0) == 1.0
    assert reste_exponent(50, 100, 3.0) == pytest.approx(1 + 2 * (1 - math.cos(math.pi / 4)))
    assert reste_exponent(100, 100, 3.0) == pytest.approx(3.0)
    assert reste_exponent(10**9, 100, 3.0) == pytest.approx(3.0)
    learner = made(RELU, REGRESSION, 8, estimator="reste", steps=8)
    learn(learner, *teacher(512), epochs=1)
    assert learner.exponent == pytest.approx(3.0)


def test_slope_of_biper_is_that_of_the_wave():
    w = torch.linspace(-1, 1, 9, dtype=torch.float64, requires_grad=True)
    torch.sin(20 * w).sum().backward()
    assert torch.allclose(biper_slope(w.detach(), 20.0), w.grad)


def test_weights_of_biper_are_signs_of_the_wave():
    learner = made(RELU, DIGITS, 64, estimator="biper", init=1.0)
    for w, latent in zip(learner.weights(), learner.groups["latent"], strict=True):
        assert torch.equal(w, signs(torch.sin(20 * latent)))
        assert not torch.equal(w, signs(latent))


def test_latent_weights_are_kept_within_the_clip():
    fast = OptimiserConfig(rate=0.3)
    kept = made(RELU, REGRESSION, 8, optimiser=fast, clip=0.5)
    free = made(RELU, REGRESSION, 8, optimiser=fast, clip=None)
    for learner in (kept, free):
        learn(learner, *teacher(), epochs=1)
    assert max(float(w.abs().max()) for w in kept.groups["latent"]) == 0.5
    assert max(float(w.abs().max()) for w in free.groups["latent"]) > 0.5


def test_averaging_over_tasks_needs_boundaries_and_takes_the_mean():
    model = build(
        StraightThroughConfig(average=1.0), NetworkConfig((4,)), 3, Head("regression", 2), 0
    )
    assert model.uses_boundaries
    assert not build(
        StraightThroughConfig(), NetworkConfig((4,)), 3, Head("regression", 2)
    ).uses_boundaries
    x = torch.randn(6, 3)
    model.observe(x, x[:, :2])
    model.end_task()
    first = [w.clone() for w in model.groups["latent"]]
    model.observe(x, -x[:, :2])
    second = [w.clone() for w in model.groups["latent"]]
    model.end_task()
    for a, b, c in zip(model.groups["latent"], first, second, strict=True):
        torch.testing.assert_close(a, (b + c) / 2)
