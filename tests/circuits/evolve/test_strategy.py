"""Strategies of evolution, on functions whose best point is known."""

import numpy as np
import pytest

from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.evolve.methods import make
from sparsectl.circuits.evolve.strategy import centred_ranks

GOAL = np.array([0.7, -0.4, 0.2])
METHODS = ["es", "cma", "sepcma"]
TURN = np.array([[1.0, 0.9, 0.0], [-0.9, 1.0, 0.0], [0.0, 0.0, 0.2]])


def config(method="es", **others):
    rest = {"population": 10, "sigma": 0.1, "learning_rate": 0.05, **others}
    return TrainConfig(method=method, **rest)


def value(candidates):
    return -np.sum(((candidates - GOAL) @ TURN) ** 2, axis=-1)


def climb(strategy, generations):
    for _ in range(generations):
        strategy.tell(value(strategy.ask()))
    return strategy


def test_ranks_are_centred_shared_by_equals_and_lowest_for_nan():
    ranks = centred_ranks(np.array([3.0, np.nan, 1.0, 1e9, 1.0]))
    np.testing.assert_allclose(ranks, [0.25, -0.5, -0.125, 0.5, -0.125])
    np.testing.assert_array_equal(centred_ranks(np.full(4, 7.0)), 0)


@pytest.mark.parametrize("method", METHODS)
def test_the_mean_climbs_to_the_best_point(method):
    strategy = climb(make(np.zeros(3), config(method, decay=0.9)), 150)
    assert np.abs(strategy.mean - GOAL)[:2].max() < 0.05
    assert value(strategy.mean) > 0.01 * value(np.zeros(3))


@pytest.mark.parametrize("method", METHODS)
def test_candidates_stay_until_they_are_told_and_differ_by_seed(method):
    strategy = make(np.zeros(3), config(method))
    first = strategy.ask()
    np.testing.assert_array_equal(first, strategy.ask())
    strategy.tell(value(first))
    assert not np.isin(first, strategy.ask()).any()
    assert not np.isin(first, make(np.zeros(3), config(method, seed=1)).ask()).any()


@pytest.mark.parametrize("method", METHODS)
def test_a_restored_strategy_goes_on_bit_by_bit(method):
    settings = config(method, decay=0.5, clip=1.0)
    scale = np.array([1.0, 2.0, 0.5])
    whole = climb(make(np.ones(3), settings, scale), 7)
    other = make(np.ones(3), settings, scale)
    other.restore(whole.arrays())
    assert other.generation == whole.generation == 7
    for strategy in (whole, other):
        climb(strategy, 5)
    np.testing.assert_array_equal(other.mean, whole.mean)
    np.testing.assert_array_equal(other.ask(), whole.ask())
    assert other.facts() == whole.facts()


@pytest.mark.parametrize("method", METHODS)
def test_no_return_counts_as_the_worst_one(method):
    lost, worst = (make(np.zeros(3), config(method)) for _ in range(2))
    returns = value(lost.ask())
    i = int(returns.argmax())
    returns[i] = np.nan
    lost.tell(returns)
    worst.tell(np.where(np.isnan(returns), -1e6, returns))
    np.testing.assert_array_equal(lost.mean, worst.mean)
    assert np.isfinite(lost.ask()).all()


@pytest.mark.parametrize("method", METHODS)
def test_scales_are_units_of_parameters(method):
    scale = np.array([1.0, 100.0, 0.01])
    plain, scaled = make(np.zeros(3), config(method)), make(np.zeros(3), config(method), scale)
    for _ in range(10):
        returns = value(plain.ask())
        np.testing.assert_allclose(scaled.ask(), scale * plain.ask(), rtol=1e-9, atol=1e-12)
        plain.tell(returns)
        scaled.tell(returns)


class TestES:
    def test_candidates_come_in_mirrored_pairs(self):
        strategy = make(GOAL, config())
        candidates = strategy.ask()
        np.testing.assert_allclose(candidates[:5] + candidates[5:], np.tile(2 * GOAL, (5, 1)))

    def test_equal_returns_move_nothing(self):
        strategy = make(GOAL, config())
        strategy.tell(np.ones(10))
        np.testing.assert_array_equal(strategy.mean, GOAL)

    def test_the_first_step_of_adam_is_the_learning_rate(self):
        strategy = climb(make(np.zeros(3), config()), 1)
        np.testing.assert_allclose(np.abs(strategy.mean), 0.05, rtol=1e-4)

    def test_clipping_leaves_only_the_direction_of_large_gradients(self):
        clipped, plain = make(np.zeros(3), config(clip=1e-3)), make(np.zeros(3), config())
        for strategy in (clipped, plain):
            climb(strategy, 4)
        assert plain.facts()["gradient"] > 0.01
        # every clipped entry has the same size, so Adam's steps are of full length
        assert np.abs(clipped.mean).sum() > np.abs(plain.mean).sum()

    def test_sigma_falls_with_progress(self):
        strategy = make(np.zeros(3), config(decay=0.25))
        strategy.tell(value(strategy.ask()), 0.5)
        assert strategy.facts()["sigma"] == pytest.approx(0.05)


def test_a_search_that_has_converged_begins_again_at_its_mean():
    strategy = make(GOAL.copy(), config("cma", sigma=1e-3))
    for _ in range(400):
        strategy.tell(value(strategy.ask()))
    assert strategy.restarts > 0
    assert np.abs(strategy.mean - GOAL).max() < 0.1
    other = make(GOAL.copy(), config("cma", sigma=1e-3))
    other.restore(strategy.arrays())
    np.testing.assert_array_equal(other.ask(), strategy.ask())
