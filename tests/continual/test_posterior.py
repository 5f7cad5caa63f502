"""The factorised posterior against its definition, also where float32 has few digits left."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsectl.continual.layers import signs
from sparsectl.continual.learners import posterior

FIELDS = st.floats(-300, 300, allow_nan=False)


def double(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def divergence_by_sum(u: float, v: float) -> float:
    """Over both values of the weight, with log-probabilities that do not overflow."""
    total = 0.0
    for w in (1, -1):
        log_q = -float(torch.nn.functional.softplus(double(-2 * u * w)))
        log_p = -float(torch.nn.functional.softplus(double(-2 * v * w)))
        total += math.exp(log_q) * (log_q - log_p)
    return total


@given(FIELDS, FIELDS)
def test_divergence_is_the_sum_over_both_values(u, v):
    expected = divergence_by_sum(u, v)
    assert float(posterior.kl(double(u), double(v))) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    single = posterior.kl(double(u).float(), double(v).float())
    assert float(single) == pytest.approx(expected, rel=1e-4, abs=1e-4 * max(1, abs(u - v)) ** 0.5)


@given(FIELDS)
def test_a_posterior_does_not_diverge_from_itself(u):
    assert float(posterior.kl(double(u), double(u))) == 0


@given(st.floats(-15, 15), st.floats(-15, 15))
def test_gradient_of_the_divergence_is_its_derivative(u, v):
    eps = 1e-5
    upper, lower = (posterior.kl(double(u + s * eps), double(v)) for s in (1, -1))
    numeric = float(upper - lower) / (2 * eps)
    assert float(posterior.kl_gradient(double(u), double(v))) == pytest.approx(
        numeric, rel=1e-4, abs=1e-6
    )


@given(st.floats(-40, 40))
def test_float32_variances_keep_their_digits_in_the_tails(u):
    exact = 4 * math.exp(-2 * abs(u)) / (1 + math.exp(-2 * abs(u))) ** 2
    mean, variance = posterior.moments(torch.tensor([u]))
    assert float(variance) == pytest.approx(exact, rel=1e-4)
    assert float(mean) == pytest.approx(math.tanh(u), rel=1e-6, abs=2e-7)


@pytest.mark.parametrize("size", [100.0, 500.0, 1e6, 1e38])
def test_saturated_weights_are_certain_and_finite(size):
    u = torch.tensor([size, -size])
    mean, variance = posterior.moments(u)
    assert mean.tolist() == [1, -1]
    assert variance.tolist() == [0, 0]
    assert posterior.kl_gradient(u, -u / 2).tolist() == [0, 0]
    assert posterior.kl(u, u / 2).tolist() == pytest.approx([0, 0], abs=1e-30)


def test_divergence_from_a_certain_prior_is_twice_its_field():
    u, v = torch.tensor([200.0]), torch.tensor([-300.0])
    assert float(posterior.kl(u, v)) == pytest.approx(600)


def test_draws_are_signs_with_the_posterior_s_mean():
    u = torch.tensor([-300.0, -1.0, 0.0, 0.5, 300.0]).repeat(20000, 1)
    draws = posterior.sample(u, torch.Generator().manual_seed(0))
    assert set(draws.unique().tolist()) == {-1.0, 1.0}
    assert draws.mean(0).tolist() == pytest.approx(u[0].tanh().tolist(), abs=0.03)
    assert draws[:, 0].eq(-1).all()
    assert draws[:, -1].eq(1).all()


def test_signs_have_no_zero():
    assert signs(torch.tensor([-2.0, -0.0, 0.0, 3.0])).tolist() == [-1, 1, 1, 1]


def test_moments_can_be_differentiated():
    u = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(posterior.moments, u)
