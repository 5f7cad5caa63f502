"""Wrong arguments, actions and states of swimmers get an error that says what to give."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from sparsectl.envs.errors import TaskError
from sparsectl.envs.swim.env import SwimEnv
from sparsectl.envs.swim.target import SwimTargetEnv


@pytest.mark.parametrize("build", [SwimEnv, SwimTargetEnv])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"links": 2}, "links is 2, expected a whole number from 3 to 32"),
        ({"links": 33}, "from 3 to 32"),
        ({"links": 6.0}, "links is 6.0"),
        ({"links": True}, "links is True"),
        ({"density": -1.0}, r"density is -1.0, expected a number from 0 to 10000 kg/m\^3"),
        ({"density": float("nan")}, "density is nan"),
        ({"density": "thick"}, "density is 'thick'"),
        ({"viscosity": float("inf")}, "viscosity is inf"),
        ({"viscosity": True}, "viscosity is True"),
        ({"lost_sensors": [5]}, "lost_sensors is 5, expected a whole number from 0 to 4"),
        ({"lost_sensors": 1}, "lost_sensors is 1, expected a list"),
        ({"lost_sensors": "0"}, "lost_sensors is '0', expected a list"),
        ({"lost_sensors": [0.5]}, "lost_sensors is 0.5"),
        ({"sensor_noise": -0.1}, "sensor_noise is -0.1"),
        ({"render_mode": "human"}, "rgb_array"),
        ({"width": 0}, "width"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(build, arguments, message):
    with pytest.raises(TaskError, match=message):
        build(**arguments)


def test_a_target_has_no_desired_speed():
    with pytest.raises(TypeError, match="desired_speed"):
        SwimTargetEnv(desired_speed=0.2)  # type: ignore[call-arg]


def test_a_desired_speed_of_zero_is_refused():
    for speed in (0.0, -0.1, float("nan"), None):
        with pytest.raises(TaskError, match="desired_speed"):
            SwimEnv(desired_speed=speed)


@pytest.mark.parametrize("build", [SwimEnv, SwimTargetEnv])
def test_wrong_actions_and_states_are_refused_and_change_nothing(build):
    env = build()
    for call in (lambda: env.step(np.zeros(5)), env.get_state):
        with pytest.raises(ResetNeeded):
            call()
    env.reset(seed=0)
    before = env.get_state()
    for action, message in (
        (np.zeros(4), "shape"),
        (0.0, "shape"),
        ([0, 0, 0, 0, np.inf], "finite"),
    ):
        with pytest.raises(TaskError, match=message):
            env.step(action)
    for state, message in ((before[:-1], "expected"), (before * np.nan, "finite")):
        with pytest.raises(TaskError, match=message):
            env.set_state(state)
    for arguments in ((0, 5, 0), (2, 0, 0), (2, 2, -1), (2, 2, 0, 0)):
        with pytest.raises(TaskError, match="expected a whole number"):
            env.collect_episodes(*arguments)
    assert np.array_equal(before, env.get_state())
