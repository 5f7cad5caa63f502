"""Interquartile means and bootstrap intervals against closed forms and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import trim_mean

from sparsectl.errors import ShapeError
from sparsectl.report import statistics


@pytest.mark.parametrize("n", [4, 8, 20, 40])
def test_iqm_is_the_quarter_trimmed_mean_where_a_quarter_is_an_integer(n):
    x = np.random.default_rng(n).standard_normal(n)
    assert statistics.iqm(x) == pytest.approx(trim_mean(x, 0.25))


def test_iqm_weighs_the_outermost_samples_where_it_is_not():
    # n = 3: the middle sample in full (a third), and (1/12 of the mass) of each neighbour.
    assert statistics.iqm(np.array([0.0, 1.0, 5.0])) == pytest.approx((5 / 12 + 4 / 12) / (6 / 12))
    assert statistics.iqm(np.array([2.0])) == 2.0
    assert math.isnan(statistics.iqm(np.zeros(0)))


def test_iqm_ignores_outliers_and_works_on_the_last_axis():
    x = np.arange(16.0).reshape(2, 8)
    assert statistics.iqm(x).tolist() == [3.5, 11.5]
    spoiled = x.copy()
    spoiled[0, 7] = 1e9
    assert statistics.iqm(spoiled)[0] == 3.5


def test_the_interval_repeats_by_seed_and_holds_the_value():
    x = np.random.default_rng(0).standard_normal(30)
    a, b = statistics.bootstrap([x], seed=1), statistics.bootstrap([x], seed=1)
    assert a == b != statistics.bootstrap([x], seed=2)
    assert a.low < a.value < a.high
    assert a.count == 30


def test_the_interval_of_a_mean_matches_the_normal_one():
    x = np.random.default_rng(3).standard_normal(400)
    interval = statistics.bootstrap([x], statistics.mean, resamples=20_000)
    half = 1.96 * x.std() / math.sqrt(400)
    assert interval.low == pytest.approx(x.mean() - half, abs=0.01)
    assert interval.high == pytest.approx(x.mean() + half, abs=0.01)


def test_strata_are_resampled_apart():
    # Two constant tasks: nothing varies within a task, so the interval has no width.
    apart = statistics.bootstrap([[0.0] * 5, [1.0] * 5], statistics.mean)
    pooled = statistics.bootstrap([[0.0] * 5 + [1.0] * 5], statistics.mean)
    assert (apart.low, apart.value, apart.high) == (0.5, 0.5, 0.5)
    assert pooled.low < 0.5 < pooled.high


def test_nothing_to_estimate_from_is_nan():
    empty = statistics.bootstrap([[], []])
    assert math.isnan(empty.value)
    assert empty.count == 0


def test_improvement_pairs_episodes_and_halves_ties():
    ours, theirs = [1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 5.0]
    interval = statistics.improvement(ours, theirs)
    assert interval.value == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert statistics.improvement(theirs, ours).value == pytest.approx(1 - interval.value)
    with pytest.raises(ShapeError, match="paired"):
        statistics.improvement([1.0], [1.0, 2.0])


def test_the_interval_of_a_share_matches_the_published_formula_and_never_collapses():
    half = statistics.proportion([1.0] * 5 + [0.0] * 5)
    assert (half.value, half.count) == (0.5, 10)
    assert half.low == pytest.approx(0.2366, abs=1e-4)
    assert half.high == pytest.approx(0.7634, abs=1e-4)
    all_good = statistics.proportion([1.0] * 10)
    assert (all_good.value, all_good.high) == (1.0, pytest.approx(1.0))
    assert all_good.low == pytest.approx(0.7225, abs=1e-4)
