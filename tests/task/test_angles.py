"""Targets of angles that are encoded as sine and cosine."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.errors import ConfigError
from sparsectl.task import (
    CostConfig,
    EntriesConfig,
    ObservationConfig,
    Task,
    TaskConfig,
    TermConfig,
)

ANGLES = np.linspace(-3.1, 3.1, 63)


def task(term: TermConfig, entries: str = "0", **goal) -> Task:
    state = {"arm": EntriesConfig(entries, "sincos"), "spin": "2"}
    config = TaskConfig(ObservationConfig(state, goal), CostConfig([term]))
    return Task(config, 4, -np.ones(1), np.ones(1))


def costs(found: Task, observations: np.ndarray, at: np.ndarray | None = None) -> np.ndarray:
    problem = found.problem(observations[0] if at is None else at, 1)
    states = found.map.state(observations)
    return np.array([problem.cost(np.stack([s, s]), np.zeros((1, 1))) for s in states])


def turned(angles: np.ndarray, entry: int = 0) -> np.ndarray:
    observations = np.zeros((len(angles), 4))
    observations[:, entry] = angles
    return observations


@pytest.mark.parametrize("norm", ["l1", "l2sq", "linf"])
@pytest.mark.parametrize("target", [None, 0.0, 1.2, -2.0, [1.2]])
def test_a_number_is_the_angle_where_the_cost_is_least(norm, target):
    aim = {} if target is None else {"target": target}
    found = costs(task(TermConfig("arm", norm=norm, **aim)), turned(ANGLES))
    nearest = ANGLES[np.argmin(found)]
    assert nearest == pytest.approx(np.ravel(0.0 if target is None else target)[0])
    assert found.min() == pytest.approx(0, abs=1e-9)


def test_every_angle_has_its_own_target_or_shares_one():
    own = costs(task(TermConfig("arm", target=[0.5, -1.0]), "0:2"), np.array([[0.5, -1.0, 0, 0]]))
    shared = costs(task(TermConfig("arm", target=0.5), "0:2"), np.array([[0.5, 0.5, 0, 0]]))
    np.testing.assert_allclose([own[0], shared[0]], 0, atol=1e-12)


def test_sines_and_cosines_themselves_may_be_given():
    values = [float(np.sin(0.7)), float(np.cos(0.7))]
    assert costs(task(TermConfig("arm", target=values)), turned(np.array([0.7])))[0] < 1e-12


def test_a_raw_goal_angle_is_encoded_too():
    found = task(TermConfig("arm", target="aim"), aim="3")
    observations = turned(ANGLES)
    at = np.array([0.0, 0.0, 0.0, 9.0])  # more than a turn: a goal may be unwrapped
    assert ANGLES[np.argmin(costs(found, observations, at))] == pytest.approx(
        9.0 - 2 * np.pi, abs=0.06
    )


@pytest.mark.parametrize("target", [180.0, [90.0], -7.0])
def test_degrees_are_refused(target):
    with pytest.raises(ConfigError, match="more than a turn: angles are in radians"):
        task(TermConfig("arm", target=target))


@pytest.mark.parametrize("of", ["2*arm", "arm + arm", "arm[0:2] + arm"])
def test_a_number_that_is_no_target_of_a_mixture_is_refused(of):
    with pytest.raises(ConfigError, match=r"cost term '.*arm.*' mixes sines and cosines"):
        task(TermConfig(of))


def test_one_entry_and_differences_of_angles_keep_plain_targets():
    sine = costs(task(TermConfig("arm[0]", target=0.5)), turned(np.array([np.arcsin(0.5)])))
    assert sine[0] == pytest.approx(0)
    state = {"a": EntriesConfig("0", "sincos"), "b": EntriesConfig("1", "sincos")}
    config = TaskConfig(ObservationConfig(state), CostConfig([TermConfig("a - b")]))
    found = costs(Task(config, 4, -np.ones(1), np.ones(1)), np.array([[0.4, 0.4, 0, 0]]))
    assert found[0] == pytest.approx(0)


@pytest.mark.parametrize("count", [1, 2])
def test_a_preview_of_encoded_angles_is_read_step_by_step(count):
    """All sines came first, so that a row was two sines."""
    horizon = 3
    here, there = f"0:{count}", f"{count}:{count * (horizon + 1)}"
    config = TaskConfig(
        ObservationConfig(
            {"arm": EntriesConfig(here, "sincos")}, {"way": EntriesConfig(there, "sincos")}
        ),
        CostConfig([TermConfig("arm", "way")]),
    )
    task = Task(config, count * (horizon + 1), -np.ones(1), np.ones(1))
    angles = np.random.default_rng(0).uniform(-3, 3, (horizon, count))
    problem = task.problem(np.concatenate([np.zeros(count), angles.ravel()]), horizon)
    states = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    along = np.concatenate([problem.x0[None], states])
    assert problem.cost(along, np.zeros((horizon, 1))) == pytest.approx(0.0, abs=1e-12)
