"""Observation to state and goal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparsectl.config import from_dict
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError
from sparsectl.task import EntriesConfig, ObservationConfig, StateMap

CONFIG = ObservationConfig(
    state={
        "tip": "8, 2:4",
        "angle": EntriesConfig("0:2", "sincos"),
    },
    goal={"target": "4:6", "heading": EntriesConfig("7", "sincos")},
)


def test_everything_is_the_state_by_default():
    mapping = StateMap(ObservationConfig(), 4)
    assert mapping.names == {"observation": slice(0, 4)}
    np.testing.assert_array_equal(mapping.state(np.arange(4)), np.arange(4.0))
    assert mapping.goals == ()


def test_parts_follow_each_other_in_the_order_given():
    mapping = StateMap(CONFIG, 9)
    assert mapping.names == {"tip": slice(0, 3), "angle": slice(3, 7)}
    assert mapping.nx == 7
    o = np.linspace(-2, 2, 9)
    expected = [o[8], o[2], o[3], *np.sin(o[:2]), *np.cos(o[:2])]
    np.testing.assert_array_equal(mapping.state(o), expected)
    goal = mapping.goal(o)
    np.testing.assert_array_equal(goal["target"], o[4:6])
    np.testing.assert_array_equal(goal["heading"], [np.sin(o[7]), np.cos(o[7])])


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 3), st.integers(1, 4), st.just(9)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_batches_agree_with_single_observations_and_are_float64(observations):
    mapping = StateMap(CONFIG, 9)
    states = mapping.state(observations)
    assert states.dtype == np.float64
    assert states.shape == (*observations.shape[:-1], 7)
    for index in np.ndindex(observations.shape[:-1]):
        np.testing.assert_array_equal(states[index], mapping.state(observations[index]))


@given(st.floats(-50, 50), st.integers(-3, 3))
def test_sincos_does_not_see_full_turns(angle, turns):
    mapping = StateMap(ObservationConfig(state={"a": EntriesConfig("0", "sincos")}), 1)
    turned = mapping.state(np.array([angle + 2 * np.pi * turns]))
    np.testing.assert_allclose(turned, mapping.state(np.array([angle])), atol=1e-9)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("", "cannot read ''"),
        ("a", "cannot read 'a'"),
        ("0:2,", "cannot read ''"),
        ("-1", "cannot read '-1'"),
        ("3:2", "3:2 is outside"),
        ("2:2", "2:2 is outside"),
        ("0:10", "0:10 is outside the observation, which has 9 entries"),
        ("9", "9 is outside"),
    ],
)
def test_bad_entries_are_named(entries, words):
    with pytest.raises(ConfigError) as caught:
        StateMap(ObservationConfig(state={"pose": entries}), 9)
    assert words in str(caught.value)
    assert "'pose'" in str(caught.value)


def test_one_entry_may_be_a_number_and_is_the_same_config():
    plain = {"state": {"level": 2, "arm": {"entries": 1, "encode": "sincos"}}, "goal": {"to": 0}}
    quoted = {
        "state": {"level": "2", "arm": {"entries": "1", "encode": "sincos"}},
        "goal": {"to": "0"},
    }
    config = from_dict(ObservationConfig, plain)
    assert config == from_dict(ObservationConfig, quoted)
    mapping = StateMap(config, 3)
    np.testing.assert_allclose(mapping.state(np.array([0.1, 0.2, 0.3]))[0], 0.3)
    with pytest.raises(ConfigError, match="cannot read '-1'"):
        StateMap(from_dict(ObservationConfig, {"state": {"level": -1}}), 3)


def test_a_name_that_an_expression_could_not_mention_is_refused():
    with pytest.raises(ConfigError, match="'tip-x': use letters"):
        StateMap(ObservationConfig(state={"tip-x": "0"}), 9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_observation_is_an_error_that_says_where(bad):
    observation = np.zeros(9)
    observation[4] = bad  # only in a goal
    with pytest.raises(NonFiniteError, match=r"index \(4,\)"):
        StateMap(CONFIG, 9).state(observation)
    with pytest.raises(NonFiniteError, match=r"index \(1, 4\)"):
        StateMap(CONFIG, 9).goal(np.stack([np.zeros(9), observation]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_entry_that_nothing_reads_may_be_anything(bad):
    observation = np.zeros(9)
    observation[6] = bad
    mapping = StateMap(CONFIG, 9)
    assert 6 not in mapping.used
    assert np.isfinite(mapping.state(observation)).all()
    assert all(np.isfinite(part).all() for part in mapping.goal(observation).values())


@pytest.mark.parametrize("shape", [(8,), (2, 10), ()])
def test_wrong_size_says_expected_and_got(shape):
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., 9\)"):
        StateMap(CONFIG, 9).state(np.zeros(shape))


@pytest.mark.parametrize("angle", [0.3, 3.0, -3.1, 9.0])
def test_a_state_goes_back_to_the_observation_that_it_came_from(angle):
    config = ObservationConfig({"speed": "3,1", "angle": EntriesConfig("0", "sincos")})
    mapping = StateMap(config, 4)
    observation = np.array([angle, 1.0, 2.0, 3.0])
    near = observation + np.array([0.5, 7.0, 0.0, 7.0])  # the third is no state
    back = mapping.observation(mapping.state(observation), near)
    np.testing.assert_allclose(back, observation, atol=1e-12)


def test_many_states_go_back_at_once_and_the_other_observation_stays():
    mapping, near = StateMap(ObservationConfig({"x": "1:3"}), 4), np.arange(4.0)
    back = mapping.observation(np.array([[5.0, 6.0], [7.0, 8.0]]), near)
    np.testing.assert_array_equal(back, [[0, 5, 6, 3], [0, 7, 8, 3]])
    np.testing.assert_array_equal(near, np.arange(4.0))
