"""Random actions: uniform, correlated, reproducible."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sparsectl import environment
from sparsectl.data import RandomPolicy


def draw(policy: RandomPolicy, count: int, seed: int = 0) -> np.ndarray:
    rng, policy = np.random.default_rng(seed), policy.start()
    return np.stack([policy(np.zeros(1), rng) for _ in range(count)])


def test_every_single_action_is_uniform_in_the_box_whatever_the_correlation():
    policy = RandomPolicy(np.array([-1.0, 2.0]), np.array([1.0, 3.0]), correlation=0.9)
    actions = draw(policy, 20_000)[::50]
    for column, (low, high) in zip(actions.T, [(-1, 1), (2, 3)], strict=True):
        assert stats.kstest(column, "uniform", args=(low, high - low)).pvalue > 1e-3


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.95])
def test_successive_actions_are_correlated_as_asked(rho):
    actions = draw(RandomPolicy(-np.ones(1), np.ones(1), rho), 40_000)[:, 0]
    # Correlation of uniforms with Gaussian correlation rho: 6 / pi * asin(rho / 2).
    expected = 6 / np.pi * np.arcsin(rho / 2)
    assert np.corrcoef(actions[:-1], actions[1:])[0, 1] == pytest.approx(expected, abs=0.03)


def test_scale_shrinks_the_box_about_its_centre():
    policy = RandomPolicy.of(environment.make("InvertedPendulum-v5"), scale=0.5)
    np.testing.assert_allclose([policy.low, policy.high], [[-1.5], [1.5]])


def test_a_fresh_copy_forgets_the_episode_before():
    policy = RandomPolicy(-np.ones(2), np.ones(2), 0.9)
    np.testing.assert_array_equal(draw(policy, 5), draw(policy, 5))


@pytest.mark.parametrize(("scale", "rho"), [(1.0, 0.0), (0.5, 0.8)])
def test_whole_numbers_are_equally_probable_whatever_scale_and_correlation(scale, rho):
    policy = RandomPolicy.of(environment.make("CartPole-v1"), rho, scale)
    actions = draw(policy, 20_000)[:: 1 if rho == 0 else 20]
    assert set(actions.ravel()) == {0.0, 1.0}
    assert actions.mean() == pytest.approx(0.5, abs=0.05)
