"""The energetic part against sums over plain dense grids and numerical derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr, ndtr

from sparsectl.theory import grids
from sparsectl.theory.energy import Gibbs, energy
from sparsectl.theory.order import Order


def brute(order: Order, beta: float, reach: float = 30.0) -> float:
    """G_E as its definition says, on uniform grids."""
    z, x = np.linspace(-8, 8, 321), np.linspace(-reach, reach, 2401)
    dx, dz = x[1] - x[0], z[1] - z[0]
    log_weight = -0.5 * x * x - 0.5 * np.log(2 * np.pi) + np.log(dx)
    log_weight[[0, -1]] -= np.log(2)
    u = np.sqrt(order.qd - order.q0) * x + np.sqrt(order.q0) * z[:, None]
    exponent = beta * log_ndtr(-u / np.sqrt(1 - order.qd)) + log_weight
    top = exponent.max(1)
    f = top + np.log(np.exp(exponent - top[:, None]).sum(1))
    gauss = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) * dz
    return float(2 * gauss * ndtr(-order.r * z / np.sqrt(order.q0 - order.r**2)) @ f)


POINTS = [Order(0.4, 0.3, 0.6), Order(0.85, 0.61, 0.91), Order(0.5, -0.35, 0.7)]


@pytest.mark.parametrize("order", POINTS)
def test_the_energy_is_the_double_integral(order):
    assert energy(order, Gibbs()).value == pytest.approx(brute(order, 20.0), abs=1e-7)


def test_a_cutoff_cuts_the_inner_integral():
    order = POINTS[1]
    cut = energy(order, Gibbs(cutoff=5.0)).value
    assert cut == pytest.approx(brute(order, 20.0, reach=5.0), abs=2e-3)
    assert cut < energy(order, Gibbs()).value - 0.05


@pytest.mark.parametrize("cutoff", [None, 5.0])
@pytest.mark.parametrize("order", POINTS)
def test_conjugates_are_derivatives(order, cutoff):
    gibbs, step = Gibbs(beta=20.0, cutoff=cutoff), 1e-5
    got, slopes = energy(order, gibbs), []
    for i in range(3):
        ends = []
        for sign in (1, -1):
            moved = order.array()
            moved[i] += sign * step
            ends.append(energy(Order(*moved), gibbs).value)
        slopes.append((ends[0] - ends[1]) / (2 * step))
    assert [-2 * slopes[0], slopes[1], slopes[2]] == pytest.approx(
        [got.q0, got.r, got.qd], rel=2e-6
    )


def test_the_loss_is_the_derivative_in_the_inverse_temperature():
    order, step = POINTS[1], 1e-4
    up, down = (energy(order, Gibbs(beta=20.0 + s)).value for s in (step, -step))
    assert energy(order, Gibbs()).loss == pytest.approx(-(up - down) / (2 * step), rel=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.05, 0.999), st.floats(0.05, 0.9999), st.floats(-0.9999, 0.9999),
    st.floats(0.5, 200.0),
)  # fmt: skip
def test_energies_are_finite_and_losses_positive(qd, share, cosine, beta):
    q0 = qd * share
    got = energy(Order(q0, np.sqrt(q0) * cosine, qd), Gibbs(beta=beta))
    assert np.isfinite([got.value, got.q0, got.r, got.qd]).all()
    assert got.q0 >= 0
    assert got.r > 0
    assert got.loss > 0
    assert got.value < 0


def test_a_student_that_is_the_teacher_loses_nothing():
    assert energy(Order(0.9997, 0.9998, 0.9998), Gibbs()).loss < 0.01


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-4])
def test_gaussian_rules_resolve_steps_of_their_scale(scale):
    z, w = grids.gaussian(scale)
    assert w.sum() == pytest.approx(1, abs=1e-12)
    assert w @ (z * z) == pytest.approx(1, abs=1e-12)
    # E H(z/s)^2 for a Gaussian: two thresholds of independent noise.
    exact = 0.25 + np.arcsin(1 / (1 + scale**2)) / (2 * np.pi)
    assert w @ ndtr(-z / scale) ** 2 == pytest.approx(exact, abs=1e-9)
