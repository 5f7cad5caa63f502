"""One weight's averages against closed forms and quadrature on [-1, 1]."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import xlogy

from sparsectl.theory.site import Site, fields


def entropy(m):
    return -xlogy((1 + m) / 2, (1 + m) / 2) - xlogy((1 - m) / 2, (1 - m) / 2)


@pytest.mark.parametrize("curvature", [-25.0, 0.0, 4.0])
@pytest.mark.parametrize("strength", [0.0, 2.0, 20.0])
@pytest.mark.parametrize("y", [-7.0, 0.0, 0.3, 30.0])
def test_moments_are_integrals_over_the_mean(curvature, strength, y):
    def weight(m):
        return np.exp(curvature * (m * m - 1) + y * m - abs(y) + strength * entropy(m))

    def integral(f):
        parts = [quad(lambda m: f(m) * weight(m), a, b, limit=200, epsabs=1e-12)[0]
                 for a, b in ((-1, -0.9), (-0.9, 0), (0, 0.9), (0.9, 1))]  # fmt: skip
        return sum(parts)

    z = integral(lambda m: 1.0)
    got = Site(curvature, strength).moments(np.array([y]))
    assert got.log_z[0] == pytest.approx(np.log(z) + curvature + abs(y), abs=1e-8)
    assert got.m[0] == pytest.approx(integral(lambda m: m) / z, abs=1e-8)
    assert got.square[0] == pytest.approx(integral(lambda m: m * m) / z, abs=1e-8)
    assert got.sign[0] == pytest.approx(integral(np.sign) / z, abs=1e-8)


def test_without_curvature_the_mean_is_langevins_function():
    y = np.array([1e-6, 0.5, 3.0, 500.0])
    expected = 1 / np.tanh(y) - 1 / y
    assert Site(0.0).moments(y).m[1:] == pytest.approx(expected[1:], abs=1e-10)
    assert Site(0.0).moments(y).m[0] == pytest.approx(y[0] / 3, rel=1e-6)


@pytest.mark.parametrize("spread", [0.05, 0.49, 0.51, 30.0])
@pytest.mark.parametrize("curvature", [-60.0, 5.0])
def test_laws_of_fields_average_well(spread, curvature):
    """Both rules of `fields` against a brute sum, for several laws at once."""
    site, means = Site(curvature, 2.0), np.array([-3.0, 0.5, 8.0])
    shares = np.array([[0.2, 0.5], [0.5, 0.0], [0.3, 0.5]])
    y, w = fields(means, shares, spread, site)
    assert w.sum(0) == pytest.approx([1, 1], abs=1e-12)
    x = np.linspace(-9, 9, 3001)
    gauss = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) * (x[1] - x[0])
    for k in range(2):
        brute = sum(
            p * (gauss @ site.moments(mean + spread * x).m ** 2)
            for mean, p in zip(means, shares[:, k], strict=True)
        )
        assert w[:, k] @ site.moments(y).m ** 2 == pytest.approx(brute, abs=1e-8)
