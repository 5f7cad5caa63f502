"""Objects of other masses, frictions and sizes that are pushed."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.envs.errors import TaskError
from sparsectl.envs.push.env import PushBoxEnv, PushTEnv


def turned(start, actions, **kwargs):
    """Pose of the object after a push. Shape (3,)."""
    env = PushTEnv(**kwargs)
    env.reset(seed=0)
    state = env.get_state()
    state[1:6] = start
    env.set_state(state)
    for action in actions:
        env.step(np.array(action))
    return env.get_state()[3:6]


OFF_CENTRE = ([0.045, 0.06, 0.0, 0.0, 0.0], [[0.0, -1.0]] * 3)


def test_naming_the_usual_values_changes_nothing():
    usual = PushTEnv().collect_episodes(20, 10, seed=0)
    named = PushTEnv(mass=0.1, friction=10.0, turning=1.0, grip=0.3, scale=1.0)
    for key, value in named.collect_episodes(20, 10, seed=0).items():
        assert np.array_equal(value, usual[key])


def test_an_object_resting_on_its_rim_turns_less():
    angles = [abs(turned(*OFF_CENTRE, turning=f)[2]) for f in (0.1, 1.0, 10.0)]
    assert angles[0] > angles[1] > angles[2] > 0.01
    assert angles[0] > 2 * angles[2]


def test_grip_keeps_the_pusher_from_sliding_along():
    start, actions = [0.0, 0.055, 0.0, 0.0, 0.0], [[0.6, -0.8]] * 3
    slips, holds = (turned(start, actions, grip=g) for g in (0.0, 1.5))
    assert holds[0] > slips[0] + 0.003


def test_mass_and_friction_matter_but_little():
    light = turned(*OFF_CENTRE, mass=0.01, friction=200.0)
    heavy = turned(*OFF_CENTRE, mass=10.0, friction=0.5)
    assert not np.allclose(light, heavy, atol=1e-4)
    assert np.allclose(light, heavy, atol=0.1)


@pytest.mark.parametrize("task", [PushTEnv, PushBoxEnv])
@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_size_scales_keypoints_and_outline(task, scale):
    usual, other = task(), task(scale=scale)
    assert other.shape.keypoints == pytest.approx(scale * usual.shape.keypoints)
    assert other.shape.reach == pytest.approx(scale * usual.shape.reach)
    assert other.shape.friction_lever == pytest.approx(scale**2 * usual.shape.friction_lever)
    for seed in range(20):
        observation, info = other.reset(seed=seed)
        points = observation[:8].reshape(4, 2)
        expected = np.linalg.norm(other.shape.keypoints[1] - other.shape.keypoints[0])
        assert np.linalg.norm(points[1] - points[0]) == pytest.approx(expected)
        assert not info["is_success"]


@pytest.mark.parametrize("start", ["full", "beside"])
@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_every_size_finds_a_start_around_an_obstacle(start, scale):
    env = PushTEnv(start=start, obstacle=True, scale=scale)
    assert all(env.reset(seed=s)[1]["clearance"] > 0.0 for s in range(10))


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [({"mass": 0.0}, "mass is 0.0, expected a number from 0.01 to 10 kg"),
     ({"friction": -1.0}, "friction"), ({"turning": 0.0}, "turning"), ({"grip": 5.0}, "grip"),
     ({"scale": 2.0}, "scale is 2.0, expected a number from 0.5 to 1.5")],
    ids=str,
)  # fmt: skip
def test_wrong_arguments_are_named(kwargs, text):
    with pytest.raises(TaskError, match=text):
        PushTEnv(**kwargs)
