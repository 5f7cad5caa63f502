import numpy as np
import pytest

from sparsectl.control.samplers import noise


@pytest.mark.parametrize("horizon", [1, 2, 3, 5, 6, 15])
@pytest.mark.parametrize("exponent", [0.0, 2.0])
def test_coloured_noise_has_unit_variance_at_every_step(horizon, exponent):
    e = noise.coloured(np.random.default_rng(0), 20_000, horizon, 2, exponent)
    assert e.shape == (20_000, horizon, 2)
    np.testing.assert_allclose(e.std(axis=0), 1.0, atol=0.03)
    np.testing.assert_allclose(e.mean(axis=0), 0.0, atol=0.03)


def test_coloured_noise_of_exponent_zero_is_white():
    e = noise.coloured(np.random.default_rng(0), 20_000, 8, 1, 0.0)[..., 0]
    off = np.corrcoef(e.T) - np.eye(8)
    assert abs(off).max() < 0.05


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_correlated_noise_has_the_wanted_covariance(correlation):
    e = noise.correlated(np.random.default_rng(0), 20_000, 4, 1, correlation)[..., 0]
    lag = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    np.testing.assert_allclose(np.cov(e.T), correlation**lag, atol=0.04)


def test_spread_reaches_every_corner_and_stays_inside():
    z = noise.spread(np.random.default_rng(0), 2000, 5, 2)
    assert abs(z).max() == 1.0
    corners = {tuple(c) for c in np.sign(z[(abs(z) == 1.0).all(axis=(1, 2))][:, 0])}
    assert corners == {(-1, -1), (-1, 1), (1, -1), (1, 1)}
    np.testing.assert_array_equal(z[::2, 0], z[::2, -1])
