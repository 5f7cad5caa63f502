"""Episodes as arrays, and splits by whole episodes."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.data import Episodes, split
from sparsectl.errors import ConfigError


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
