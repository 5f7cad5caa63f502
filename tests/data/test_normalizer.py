"""Means and standard deviations."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.data import Normalizer


def test_normalised_values_have_zero_mean_and_unit_variance(recwarn):
    values = np.random.default_rng(0).normal([3.0, -1e-4], [2.0, 1e-5], size=(500, 2))
    normalizer = Normalizer.fit(values)
    scaled = normalizer(values)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(scaled.std(0), 1)
    np.testing.assert_allclose(scaled * normalizer.std + normalizer.mean, values)
    assert not recwarn.list


def test_a_constant_entry_is_not_scaled_and_warned_about():
    values = np.random.default_rng(0).normal(size=(50, 3))
    values[:, 1] = 0.1
    with pytest.warns(UserWarning, match=r"1 of 3 entries of wheels are constant .*entries 1\)"):
        normalizer = Normalizer.fit(values, name="wheels")
    assert normalizer.std[1] == 1
    np.testing.assert_allclose(normalizer(values)[:, 1], 0, atol=1e-12)


def test_rounding_noise_counts_as_constant():
    values = np.full((100, 1), 1e3) + np.random.default_rng(0).normal(size=(100, 1)) * 1e-12
    with pytest.warns(UserWarning, match="constant"):
        assert Normalizer.fit(values).std[0] == 1
