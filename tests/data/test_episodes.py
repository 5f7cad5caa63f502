"""Episodes as arrays, and splits by whole episodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sparsectl.data import Episodes, joined, split, split_indices
from sparsectl.errors import ConfigError, DataError


def episodes(lengths=(3, 1, 5, 2), no=2, nu=1) -> Episodes:
    rng = np.random.default_rng(0)
    return Episodes(
        observations=[rng.normal(size=(t + 1, no)) for t in lengths],
        actions=[rng.normal(size=(t, nu)) for t in lengths],
        rewards=[np.zeros(t) for t in lengths],
        terminations=[np.zeros(t, bool) for t in lengths],
        truncations=[np.arange(t) == t - 1 for t in lengths],
        seeds=np.arange(len(lengths)),
        env_id="E-v0",
    )


def test_sizes():
    e = episodes()
    assert (len(e), e.transitions, e.observation_size, e.action_size) == (4, 11, 2, 1)


def test_selection_keeps_everything_of_an_episode_together():
    e = episodes()
    chosen = e.select([2, 0])
    assert chosen.env_id == "E-v0"
    np.testing.assert_array_equal(chosen.seeds, [2, 0])
    np.testing.assert_array_equal(chosen.observations[0], e.observations[2])
    np.testing.assert_array_equal(chosen.truncations[1], e.truncations[0])


def test_a_split_shares_no_episode_and_loses_none():
    rest, held = split(episodes((2,) * 20), 0.25, seed=3)
    assert (len(rest), len(held)) == (15, 5)
    assert sorted([*rest.seeds, *held.seeds]) == list(range(20))


def test_a_split_depends_on_its_seed_only():
    e = episodes((2,) * 20)
    np.testing.assert_array_equal(split(e, 0.5, 1)[1].seeds, split(e, 0.5, 1)[1].seeds)
    assert not np.array_equal(split(e, 0.5, 1)[1].seeds, split(e, 0.5, 2)[1].seeds)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_both_sides_of_a_split_hold_an_episode(fraction):
    assert all(len(side) >= 1 for side in split(episodes(), fraction, 0))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, float("nan")])
def test_fractions_outside_the_open_interval_are_refused(fraction):
    with pytest.raises(ConfigError, match="split fraction"):
        split(episodes(), fraction, 0)


def test_recordings_are_joined_in_order():
    first, second = episodes(), episodes((4, 2))
    both = joined([replace(first, dataset_id="a-v0"), replace(second, dataset_id="b-v0")])
    assert (len(both), both.transitions) == (6, 17)
    np.testing.assert_array_equal(both.observations[4], second.observations[0])
    np.testing.assert_array_equal(both.seeds, [0, 1, 2, 3, 0, 1])
    assert (both.env_id, both.dataset_id) == ("E-v0", "a-v0 + b-v0")


@pytest.mark.parametrize("others", [{"no": 3}, {"nu": 2}])
def test_recordings_of_other_sizes_are_not_joined(others):
    with pytest.raises(DataError, match=r"different \(observation, action\) sizes"):
        joined([episodes(), episodes(**others)])
    with pytest.raises(DataError, match="no recordings"):
        joined([])


def test_the_indices_of_a_split_are_those_of_its_episodes():
    whole = episodes((2,) * 20)
    for part, indices in zip(split(whole, 0.2, 5), split_indices(20, 0.2, 5), strict=True):
        np.testing.assert_array_equal(part.seeds, indices)
