"""Every task is a clean gymnasium environment whose episodes can be repeated and resumed."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sparsectl.envs.errors import TaskError

SIZES = {
    "Rope": (52, 2, 40),
    "PushT": (18, 2, 60),
    "PushBox": (18, 2, 60),
    "CartPole": (5, 1, 60),
    "WallPole": (4, 1, 60),
    "Slalom": (30, 2, 40),
    "PushGate": (5, 2, 45),
}


def play(env, seed, steps, rng):
    observation, info = env.reset(seed=seed)
    trace = [(observation, 0.0, info)]
    for _ in range(steps):
        observation, reward, _, _, info = env.unwrapped.step(
            rng.uniform(-1, 1, env.action_space.shape)
        )
        trace.append((observation, reward, info))
    return trace


def equal(a, b):
    return all(
        np.array_equal(x[0], y[0]) and x[1] == y[1] and x[2] == y[2]
        for x, y in zip(a, b, strict=True)
    )


def test_gymnasium_finds_nothing_to_complain_about(env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)


def test_spaces_and_time_limit(env, variant):
    name = variant[0].split("/")[1].split("-")[0]
    sort = (4 * variant[1].get("discs", 4), 4, 20)
    size, actions, limit = {**SIZES, "Sort": sort}.get(
        name, (variant[1].get("states", 2), variant[1].get("actions", 1), 50)
    )
    assert env.observation_space.shape == (size,)
    assert env.observation_space.dtype == np.float64
    assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (actions,), np.float32)
    env.reset(seed=0)
    for t in range(limit):
        _, reward, terminated, truncated, info = env.step(np.zeros(actions, np.float32))
        assert not terminated
        assert truncated == (t == limit - 1)
        assert reward == -info["error"]
        assert isinstance(info["is_success"], bool)


def test_same_seed_same_episode(env, variant):
    first = play(env, 7, 200, np.random.default_rng(0))
    assert equal(first, play(env, 7, 200, np.random.default_rng(0)))
    other = gymnasium.make(variant[0], **variant[1])
    assert equal(first, play(other, 7, 200, np.random.default_rng(0)))
    assert not np.array_equal(first[0][0], env.reset(seed=8)[0])


def test_a_saved_state_continues_bit_for_bit_elsewhere(env, variant):
    play(env, 3, 17, np.random.default_rng(1))
    state = env.unwrapped.get_state()
    actions = np.random.default_rng(2).uniform(-1, 1, (30, *env.action_space.shape))
    first = [env.unwrapped.step(a) for a in actions]
    other = gymnasium.make(variant[0], **variant[1]).unwrapped
    other.set_state(state)
    for (o1, r1, *_, i1), a in zip(first, actions, strict=True):
        o2, r2, *_, i2 = other.step(a)
        assert np.array_equal(o1, o2)
        assert r1 == r2
        assert i1 == i2


def test_setting_a_state_returns_its_observation(env):
    trace = play(env, 3, 5, np.random.default_rng(1))
    state = env.unwrapped.get_state()
    env.reset(seed=99)
    assert np.array_equal(env.unwrapped.set_state(state), trace[-1][0])
    assert np.array_equal(env.unwrapped.get_state(), state)


def test_a_reset_starts_at_the_state_it_is_given(env):
    play(env, 3, 9, np.random.default_rng(1))
    state = env.unwrapped.get_state()
    ahead = env.unwrapped.step(np.full(env.action_space.shape, 0.5))[0]
    observation, info = env.reset(seed=11, options={"state": state.tolist()})
    assert np.array_equal(env.unwrapped.get_state(), state)
    assert env.observation_space.contains(observation)
    assert info["error"] >= 0
    assert np.array_equal(env.unwrapped.step(np.full(env.action_space.shape, 0.5))[0], ahead)
    with pytest.raises(TaskError, match="state has shape"):
        env.reset(options={"state": state[:-1]})


def test_the_error_is_the_mean_distance_of_points_in_the_observation(env, variant):
    observation, _, info = play(env, 5, 6, np.random.default_rng(0))[-1]
    if "Rope" in variant[0]:
        points, goals = observation[:26], observation[26:]
    elif "Slalom" in variant[0]:
        points, goals = observation[:2], observation[4:6]
    elif "PushGate" in variant[0]:
        points, goals = observation[:2], observation[3:]
    elif "Push" in variant[0]:
        points, goals = observation[:8], observation[10:]
    elif "CartPole" in variant[0]:
        position, _, sine, cosine, _ = observation
        points, goals = np.array([position + 0.6 * sine, 0.6 * cosine]), np.array([0.0, 0.6])
    elif "WallPole" in variant[0]:
        position, angle = observation[:2]
        points = np.array([position, 0.0, position + np.sin(angle), np.cos(angle)])
        goals = np.array([0.0, 0.0, 0.0, 1.0])
    elif "Sort" in variant[0]:
        points, goals = np.split(observation, 2)
    else:
        points, goals = observation, np.zeros_like(observation)
    size = 2 if "Piecewise" not in variant[0] else len(points)
    distances = np.linalg.norm((points - goals).reshape(-1, size), axis=1)
    if "Sort" in variant[0]:
        distances = np.maximum(distances - 0.04, 0.0)  # nearer than this counts as there
    assert info["error"] == pytest.approx(distances.mean(), abs=1e-12)


def test_actions_beyond_the_box_are_clipped(env):
    env.reset(seed=0)
    state = env.unwrapped.get_state()
    ones = np.ones(env.action_space.shape)
    first = env.unwrapped.step(7.0 * ones)[0]
    env.unwrapped.set_state(state)
    assert np.array_equal(first, env.unwrapped.step(ones)[0])
