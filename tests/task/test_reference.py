"""Targets, limits and windows that change from step to step, on the clock of the episode or now."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.task.reference import Decision, active, changes, check, resolve

ROWS = [[0.0, 0.1], [1.0, 1.1], [2.0, 2.1], [3.0, 3.1]]


def now(step: int = 0, horizon: int = 3, **goal) -> Decision:
    return Decision({k: np.asarray(v, float) for k, v in goal.items()}, step, horizon)


@settings(max_examples=100)
@given(st.integers(0, 8), st.integers(1, 4), st.integers(0, 1))
def test_a_list_counts_steps_of_the_episode_and_holds_its_last_row(step, horizon, first):
    found = resolve(ROWS, 2, now(step, horizon), "target", first)
    expected = [ROWS[min(step + t, 3)] for t in range(first, horizon + 1)]
    np.testing.assert_array_equal(found, expected)


@given(st.integers(0, 20), st.integers(1, 4), st.integers(0, 1))
def test_a_goal_part_counts_from_now(step, horizon, first):
    rows = np.arange(2 * (horizon + 1 - first), dtype=float)
    here = now(step, horizon, preview=rows, still=[7.0, 8.0])
    if len(rows) > 2:
        np.testing.assert_array_equal(
            resolve("preview", 2, here, "target", first), rows.reshape(-1, 2)
        )
    np.testing.assert_array_equal(resolve("still", 2, here, "target", first), [7.0, 8.0])


def test_what_is_the_same_at_every_step():
    np.testing.assert_array_equal(resolve(2.0, 3, now(), "x"), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(resolve([1.0, 2.0], 2, now(), "x"), [1.0, 2.0])
    np.testing.assert_array_equal(resolve([[1.0, 2.0]], 2, now(5, 9), "x"), [1.0, 2.0])
    assert not changes(2.0)
    assert not changes([1.0, 2.0])
    assert changes([[1.0]])
    assert changes("goal")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[0.0], [1.0], [2.0]], "a row of the list has 1 entries, expected 2"),
        ([[0.0, 1.0], [1.0, 2.0, 3.0], [0.0, 0.0]], "a row of the list has 3 entries"),
        ([[0.0, 1.0], 3.0, [0.0, 0.0]], "a row of the list has 1 entries"),
        ([[0.0, 1.0], [1.0, 2.0]], "the list has 2 steps, less than the horizon of 3"),
        ([1.0, 2.0, 3.0], "expected 2 values, got 3"),
        ([1.0, float("nan")], "a limit is nan"),
        ("other", "unknown goal 'other'"),
        ("four", "goal 'four' has 2 steps of 2 entries, the plan needs 3"),
        ("three", "expected 2 values, got 3"),
    ],
)
def test_references_of_another_length_are_refused(value, words):
    with pytest.raises(ConfigError, match="target: " + words):
        resolve(value, 2, now(0, 3, four=[1, 2, 3, 4], three=[1, 2, 3]), "target")


@settings(max_examples=100)
@given(st.integers(0, 12), st.integers(1, 6))
def test_windows_of_numbers_count_steps_of_the_episode(step, horizon):
    windows = [(2, 4), (9, 9)]
    found = active(windows, now(step, horizon), "box")
    expected = [any(a <= step + t <= b for a, b in windows) for t in range(horizon + 1)]
    assert found.tolist() == expected


@given(st.integers(0, 12), st.integers(1, 6))
def test_windows_of_a_goal_part_count_from_now(step, horizon):
    found = active("door", now(step, horizon, door=[1, 2, 5, 4, 4, 9]), "box")
    assert found.tolist() == [t in (1, 2) or t >= 4 for t in range(horizon + 1)]


def test_always_and_at_the_end():
    assert active("always", now(), "box") is None
    assert active("terminal", now(7, 3), "box").tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ([], "`when` is an empty list"),
        ([(3, 2)], "the window of steps 3 to 2 never opens"),
        ([(-4, -1)], "the window of steps -4 to -1 never opens"),
        ("door", "goal 'door' has 3 entries, windows need two each"),
        ("dor", "unknown goal 'dor'.*did you mean 'door'"),
    ],
)
def test_windows_that_never_open_are_refused(when, words):
    with pytest.raises(ConfigError, match=words):
        active(when, now(0, 3, door=[1, 2, 3]), "box")
    if not isinstance(when, str):
        with pytest.raises(ConfigError, match=words):
            check(when, "box")


def test_what_is_given_for_more_steps_than_are_asked_for_is_cut_to_them():
    """Whatever the horizon of a plan is, a visited step needs two rows of it, from now on."""
    loose = Decision({"path": np.arange(10.0)}, 0, 2, loose=True)
    np.testing.assert_array_equal(resolve("path", 2, loose, "path", 0), [[0, 1], [2, 3], [4, 5]])
    short = Decision({"path": np.arange(4.0)}, 0, 2, loose=True)
    np.testing.assert_array_equal(resolve("path", 2, short, "path", 0), [[0, 1], [2, 3], [2, 3]])
