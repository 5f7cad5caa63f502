"""Observations that go back in time, and models that know which of their parts are the past."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl import dynamics, environment
from sparsectl.data import CollectConfig, collect
from sparsectl.dynamics import Trajectories
from sparsectl.dynamics.lower import programs
from sparsectl.environment import Entries
from sparsectl.errors import ConfigError
from sparsectl.task import EntriesConfig, ObservationConfig, StateMap, Task, TaskConfig

ENV = "InvertedPendulum-v5"
PAST = {"history": {"observations": 2, "actions": 2}}
NAMED = ObservationConfig(
    {
        "place": "0:2", "place_1": "observation@1[0:2]", "place_2": "observation@2[0:2]",
        "push_1": "action@1", "push_2": "action@2",
    }
)  # fmt: skip


def played(kwargs, steps=6):
    """Observations (steps + 1, size) and actions (steps, 1)."""
    with environment.make(ENV, kwargs) as env:
        seen, actions = [env.reset(seed=3)[0]], np.random.default_rng(0).uniform(-3, 3, (steps, 1))
        for action in actions.astype(np.float32):
            seen.append(env.step(action)[0])
    return np.array(seen), actions


def test_observations_are_followed_by_earlier_ones_and_by_earlier_actions():
    plain, actions = played({})
    seen, _ = played(PAST)
    assert seen.shape == (7, 3 * 4 + 2)
    np.testing.assert_array_equal(seen[:, :4], plain)
    for k in (1, 2):
        np.testing.assert_array_equal(seen[k:, 4 * k : 4 * k + 4], plain[:-k])
        np.testing.assert_array_equal(seen[:k, 4 * k : 4 * k + 4], plain[[0] * k])
        np.testing.assert_allclose(
            seen[k:, 11 + k], actions[: 7 - k, 0][: len(seen) - k], rtol=1e-6
        )
        np.testing.assert_array_equal(seen[:k, 11 + k], 0)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({"action": 1}, r"history: unknown key 'action' \(did you mean 'actions'"),
        ({"actions": -1}, "history: actions is -1, expected whole steps"),
        ({"observations": 1.5}, "history: observations is 1.5"),
    ],
)
def test_a_wrong_history_is_refused(steps, said):
    with pytest.raises(ConfigError, match=said):
        environment.make(ENV, {"history": steps})


def test_a_task_finds_which_parts_are_the_past():
    with environment.make(ENV, PAST) as env:
        found = Task.of(TaskConfig(NAMED), env).map.copies
        assert found == {
            "place_1": "place", "place_2": "place_1", "push_1": "action@0", "push_2": "push_1"
        }  # fmt: skip
        whole = Task.of(TaskConfig(), env).map
        parts = "observation", "observation_1", "observation_2", "action_1", "action_2"
        assert (whole.nx, tuple(whole.names)) == (14, parts)
        assert len(whole.copies) == 4
        # A part may be called as the action is.
        named = {"action": "action@1", "before": "action@2", "place": "0"}
        found = Task.of(TaskConfig(ObservationConfig(named)), env).map.copies
        assert found == {"action": "action@0", "before": "action"}
        # An angle is a copy of one that is told in the same way.
        mixed = {"angle": "1", "angle_1": EntriesConfig("observation@1[1]", "sincos")}
        assert Task.of(TaskConfig(ObservationConfig(mixed)), env).map.copies == {}
    with environment.make(ENV, {}) as env:
        assert Task.of(TaskConfig(), env).map.copies == {}


def test_under_latency_the_action_that_acts_is_an_earlier_one():
    """The last action has not acted yet: it was taken for the one that did, and predicted wrong."""
    state_map = StateMap(
        ObservationConfig(
            {"place": "0:4", **{f"push_{k}": f"action@{k}" for k in (1, 2, 3)}}, delay=2
        ),
        7,
        Entries(
            {f"action@{k}": range(3 + k, 4 + k) for k in (1, 2, 3)}, np.array([-1] * 4 + [7, 4, 5])
        ),
    )
    assert state_map.copies == {"push_2": "push_1", "push_3": "action@0"}
    kwargs = {"delay": {"actions": 2}, "history": {"actions": 3}}
    read = Trajectories.of(collect(CollectConfig(20, 10, "random"), ENV, kwargs), state_map)
    for states, actions in zip(read.states, read.actions, strict=True):
        np.testing.assert_array_equal(states[1:, 5], states[:-1, 4])
        np.testing.assert_allclose(states[1:, 6], actions[:, 0], rtol=1e-6)


@pytest.mark.parametrize("members", [1, 2])
def test_models_copy_the_past_exactly_in_training_and_in_plans(members):
    with environment.make(ENV, PAST) as env:
        task = Task.of(TaskConfig(NAMED), env)
    config = dynamics.MLPConfig((5,), members=members)
    names, copies = task.map.names, task.map.copies
    model = dynamics.build(config, names, task.nx, task.nu, seed=1, copies=copies)
    seen, actions = played(PAST)
    x = task.map.state(seen)
    program = programs(model)
    after = program(np.concatenate([x[:-1], actions.astype(np.float32)], axis=1))
    past = [n for n in names if n in copies]
    for name in past:
        np.testing.assert_allclose(after[:, names[name]], x[1:, names[name]], rtol=1e-6, atol=1e-7)
    assert not np.allclose(after[:, names["place"]], x[1:, names["place"]])
    again = dynamics.build(model.config, names, task.nx, task.nu, seed=1)
    assert (programs(again)(np.ones(9)) == program(np.ones(9))).all()


@pytest.mark.parametrize(
    ("copies", "said"),
    [
        ({"plce": "speed"}, "copies: unknown state part 'plce'"),
        ({"place": "sped"}, r"unknown state part 'sped' \(did you mean 'speed'"),
        ({"place": "action@0"}, "'place' has 2 entries, 'action@0' has 1"),
        ({"place": "speed", "speed": "place"}, "nothing is left to learn"),
    ],
)
def test_wrong_copies_are_refused(copies, said):
    config = dynamics.MLPConfig((3,), structure=dynamics.StructureConfig(copies=copies))
    with pytest.raises(ConfigError, match=said):
        dynamics.build(config, {"place": slice(0, 2), "speed": slice(2, 4)}, 4, 1)
