"""Forward swimming: known policies score what is known of them; rewards, sensors, and states."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from swim_reference import returns, swim

from sparsectl.envs.swim.env import SwimEnv
from sparsectl.envs.swim.noise import KEYS, normal
from sparsectl.envs.swim.scene import CONTROL_SECONDS
from sparsectl.envs.swim.target import SwimTargetEnv

TASKS = [
    ("Swim", {}),
    ("Swim", {"links": 3, "sensor_noise": 0.1}),
    ("Swim", {"links": 32, "viscosity": 0.1, "lost_sensors": [0, 30]}),
    ("SwimTarget", {}),
    ("SwimTarget", {"links": 4, "density": 0.0, "sensor_noise": 0.5, "lost_sensors": [1]}),
]


@pytest.fixture(params=TASKS, ids=str)
def made(request):
    name, arguments = request.param
    return gymnasium.make(f"sparsectl/{name}-v0", **arguments)


@pytest.mark.parametrize(("links", "score", "margin"), [(6, 798, 10), (4, 343, 15), (14, 915, 10)])
def test_the_untrained_circuit_scores_as_in_the_original_task(links, score, margin):
    env = SwimEnv(links)
    mean = returns(env, swim, range(10)).mean()
    assert mean == pytest.approx(score, abs=margin)


def test_known_policies_score_what_they_scored_in_the_original_task():
    env, rng = SwimEnv(), np.random.default_rng(0)
    noise = returns(env, lambda e, o, t: rng.uniform(-1, 1, (len(o), e.joints)), range(10))
    assert noise.mean() == pytest.approx(90, abs=12)
    assert not returns(env, lambda e, o, t: np.zeros((len(o), e.joints)), range(3)).any()
    blind = returns(env, lambda e, o, t: swim(e, o, t, proprioception=0.0), range(5))
    assert blind.mean() == pytest.approx(131, abs=15)


@pytest.mark.parametrize(
    ("arguments", "score"),
    [({"viscosity": 0.01}, 711), ({"viscosity": 1.0}, 66), ({"lost_sensors": [0]}, 495),
     ({"lost_sensors": (1, 3)}, 540)],
)  # fmt: skip
def test_fluid_and_lost_sensors_cost_what_they_cost_in_the_original_task(arguments, score):
    assert returns(SwimEnv(**arguments), swim, range(5)).mean() == pytest.approx(score, abs=20)


def test_gymnasium_finds_nothing_to_complain_about(made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made.unwrapped, skip_render_check=True)


def test_spaces_offers_and_time_limit():
    for name, extra in (("Swim", 0), ("SwimTarget", 2)):
        env = gymnasium.make(f"sparsectl/{name}-v0", links=5)
        assert env.observation_space.shape == (19 + extra,)
        assert env.observation_space.dtype == np.float64
        assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)
        assert env.spec.max_episode_steps == 1000
        own = env.unwrapped
        assert (own.joints, own.angles, own.control_seconds) == (4, slice(0, 4), CONTROL_SECONDS)
        assert own.joint_limit == pytest.approx(np.radians(72))
        assert own.target == (slice(4, 6) if extra else None)
    assert pytest.approx(0.03) == CONTROL_SECONDS


def test_starts_are_at_rest_in_any_pose_within_the_limits():
    env = SwimEnv()
    first = np.stack([env.reset(seed=s)[0] for s in range(300)])
    assert not first[:, 5:].any()
    reach = np.abs(first[:, :5]).max(0) / env.joint_limit
    assert ((reach > 0.95) & (reach <= 1)).all()
    heading = [env.reset(seed=s) and env.get_state()[2] for s in range(100)]
    assert np.ptp(heading) > 5.5
    assert np.abs(heading).max() < np.pi


def test_reward_and_info_follow_the_speed_of_the_head_along_its_axis():
    env = SwimEnv(desired_speed=0.05)
    env.reset(seed=0)
    rewards, infos = [], []
    for t in range(150):
        observation = env._observe()
        action = swim(env, observation[None], t)[0]
        action = action[::-1] if t < 60 else action  # backward first
        observation, reward, terminated, truncated, info = env.step(action)
        assert not terminated
        assert not truncated
        assert info["speed"] == -observation[6]
        assert reward == pytest.approx(np.clip(info["speed"] / 0.05, 0, 1))
        assert info["error"] == pytest.approx(max(0.05 - info["speed"], 0))
        assert info["is_success"] is (info["speed"] >= 0.05)
        rewards.append(reward), infos.append(info["is_success"])
    assert min(rewards) == 0.0
    assert max(rewards) == 1.0
    assert 10 < sum(infos) < 140


def test_a_saved_state_continues_bit_for_bit_elsewhere(made):
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (40, *made.action_space.shape))
    made.reset(seed=3)
    for action in actions[:15]:
        observation = made.step(action)[0]
    env, state = made.unwrapped, made.unwrapped.get_state()
    other = type(env)(**made.spec.kwargs)
    assert np.array_equal(other.set_state(state), observation)
    assert np.array_equal(other.get_state(), state)
    for action in actions[15:]:
        (o1, r1, *_, i1), (o2, r2, *_, i2) = env.step(action), other.step(action)
        assert np.array_equal(o1, o2)
        assert (r1, i1) == (r2, i2)


def test_sensors_change_what_is_seen_and_nothing_else():
    plain = SwimTargetEnv()
    worn = SwimTargetEnv(sensor_noise=0.2, lost_sensors=[1, 4])
    rng = np.random.default_rng(1)
    for seed in (0, 1):
        a, b = plain.reset(seed=seed)[0], worn.reset(seed=seed)[0]
        for _ in range(30):
            action = rng.uniform(-1, 1, 5)
            (a, r1, *_, i1), (b, r2, *_, i2) = plain.step(action), worn.step(action)
            assert (r1, i1) == (r2, i2)
            assert np.array_equal(a[5:], b[5:])
            assert not b[[1, 4]].any()
            assert (np.abs(a - b)[[0, 2, 3]] > 1e-6).all()


def test_noise_is_normal_and_independent_in_keys_steps_and_places():
    keys, steps = np.random.default_rng(0).integers(KEYS, size=(200, 1)), np.arange(100)
    sample = normal(np.broadcast_to(keys, (200, 100)), steps, 6)
    assert sample.mean() == pytest.approx(0, abs=0.01)
    assert sample.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(sample) < 1).mean() == pytest.approx(0.6827, abs=0.005)
    assert np.abs(np.corrcoef(sample.reshape(-1, 6).T) - np.eye(6)).max() < 0.03
    for axis in (0, 1):
        lagged = np.roll(sample, 1, axis) * sample
        assert abs(lagged.mean()) < 0.01
    assert np.array_equal(sample[7, 9], normal(keys[7, 0], 9, 6))
