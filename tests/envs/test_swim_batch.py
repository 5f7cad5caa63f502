"""A batch does what the single environment does, on any number of threads, and survives faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from sparsectl.envs.errors import TaskError
from sparsectl.envs.swim.env import SwimEnv
from sparsectl.envs.swim.target import SwimTargetEnv

ENVS = [
    lambda: SwimEnv(),
    lambda: SwimEnv(links=11, viscosity=0.01, sensor_noise=0.1),
    lambda: SwimTargetEnv(links=3, sensor_noise=0.1, lost_sensors=[0]),
]


@pytest.mark.parametrize("build", ENVS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_batch_equals_the_single_environment(build, workers):
    env, seeds = build(), [5, 0, 5, 9]
    actions = np.random.default_rng(0).uniform(-1.5, 1.5, (50, 4, env.joints))
    with env.batch(4, workers) as batch:
        seen, paid = [batch.reset(seeds)], []
        states, positions = [], []
        for action in actions:
            observation, reward = batch.step(action)
            seen.append(observation), paid.append(reward)
            states.append(batch.get_states()), positions.append(batch.positions)
        speeds, errors, successes = batch.task.speed(seen[-1]), batch.errors, batch.successes
    for i, seed in enumerate(seeds):
        observation, _ = env.reset(seed=seed)
        np.testing.assert_allclose(seen[0][i], observation, atol=1e-9, rtol=0)
        for t in range(len(actions)):
            observation, reward, *_, info = env.step(actions[t, i])
            np.testing.assert_allclose(seen[t + 1][i], observation, atol=1e-9, rtol=0)
            assert paid[t][i] == pytest.approx(reward, abs=1e-9)
            np.testing.assert_allclose(states[t][i], env.get_state(), atol=1e-9, rtol=0)
        np.testing.assert_allclose(positions[-1][i], env._data.body("link_0").xpos[:2], atol=1e-3)
        assert info["speed"] == pytest.approx(speeds[i], abs=1e-9)
        assert info["error"] == pytest.approx(errors[i], abs=1e-9)
        assert info["is_success"] == successes[i]


def test_results_do_not_depend_on_threads_or_neighbours():
    env = SwimEnv()
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 33, 5))
    seeds = list(range(33))

    def play(indices, workers):
        with env.batch(len(indices), workers) as batch:
            batch.reset([seeds[i] for i in indices])
            return [batch.step(a[indices])[0] for a in actions][-1]

    whole = play(list(range(33)), 1)
    assert np.array_equal(whole, play(list(range(33)), 3))
    np.testing.assert_allclose(whole[[4, 30]], play([4, 30], 1), atol=1e-12)


def test_saved_states_continue_in_a_batch_and_out_of_it():
    env = SwimTargetEnv(sensor_noise=0.1)
    rng = np.random.default_rng(0)
    with env.batch(3) as batch, env.batch(3) as other:
        batch.reset([1, 2, 3])
        for _ in range(10):
            observation, _ = batch.step(rng.uniform(-1, 1, (3, 5)))
        states = batch.get_states()
        assert np.array_equal(other.set_states(states), observation)
        np.testing.assert_allclose(env.set_state(states[1]), observation[1], atol=1e-12)
        action = rng.uniform(-1, 1, (3, 5))
        assert np.array_equal(batch.step(action)[0], other.step(action)[0])
        np.testing.assert_allclose(env.step(action[1])[0], other._seen[1], atol=1e-9)


def test_what_is_returned_is_not_overwritten():
    with SwimEnv().batch(2) as batch:
        first = batch.reset([0, 1])
        kept = first.copy()
        second, rewards = batch.step(np.ones((2, 5)))
        kept_second, kept_rewards = second.copy(), rewards.copy()
        batch.step(-np.ones((2, 5)))
        assert np.array_equal(first, kept)
        assert np.array_equal(second, kept_second)
        assert np.array_equal(rewards, kept_rewards)


def test_a_diverged_copy_stays_where_it_was_sound_and_earns_nothing():
    """In the batch as in the single environment; its neighbours swim on."""
    env = SwimEnv(desired_speed=1e-3)
    state = env.reset(seed=0) and env.get_state()
    wild = state.copy()
    wild[8:16] = 9e5  # the simulation cannot follow
    action = np.zeros((3, 5))
    with env.batch(3) as batch, env.batch(1) as alone:
        batch.set_states(np.stack([state, wild, state]))
        alone.set_states(state[None])
        env.set_state(wild)
        for t in range(3):
            action[:] = np.sin(t)
            observation, rewards = batch.step(action)
            expected, reward = alone.step(action[:1])
            assert batch.diverged.tolist() == [False, True, False]
            assert np.isfinite(observation).all()
            np.testing.assert_allclose(observation[[0, 2]], expected.repeat(2, 0), atol=1e-12)
            assert rewards.tolist() == [reward[0], 0.0, reward[0]]
            seen, paid, *_, info = env.step(action[1])
            assert (paid, info["diverged"], info["is_success"]) == (0.0, True, False)
            np.testing.assert_allclose(seen, observation[1])
            assert np.array_equal(batch.get_states()[1], env.get_state())
        assert np.array_equal(env.get_state()[:16], wild[:16])
        assert not batch.successes[1]
        assert not batch.reset([0, 1, 2])[:, 5:].any()
        assert not batch.diverged.any()
    Path("MUJOCO_LOG.TXT").unlink(missing_ok=True)


def test_an_action_that_is_not_finite_takes_only_its_copy_out():
    with SwimEnv().batch(2) as batch:
        batch.reset([0, 1])
        batch.step(np.array([[0.1] * 5, [0.1] * 4 + [np.nan]]))
        before = batch.get_states()
        batch.step(np.ones((2, 5)))
        assert batch.diverged.tolist() == [False, True]
        assert np.array_equal(before[1, :16], batch.get_states()[1, :16])
        assert not np.array_equal(before[0, :16], batch.get_states()[0, :16])


def test_wrong_use_of_a_batch_is_refused():
    env = SwimEnv()
    for arguments, named in (((0,), "count"), ((2, 0), "workers"), ((2.5,), "count")):
        with pytest.raises(TaskError, match=named):
            env.batch(*arguments)
    batch = env.batch(2)
    for call in (lambda: batch.step(np.zeros((2, 5))), batch.get_states):
        with pytest.raises(ResetNeeded, match="reset"):
            call()
    with pytest.raises(TaskError, match="3 seeds are given, expected one for each of 2"):
        batch.reset([1, 2, 3])
    with pytest.raises(TaskError, match="seed is -1"):
        batch.reset([1, -1])
    batch.reset(np.array([1, 2]))
    with pytest.raises(TaskError, match=r"\(2, 4\), expected \(2, 5\)"):
        batch.step(np.zeros((2, 4)))
    with pytest.raises(TaskError, match="get_state"):
        batch.set_states(batch.get_states()[:, 1:])
    with pytest.raises(TaskError, match="not finite"):
        batch.set_states(batch.get_states() * np.nan)
    batch.close()
    batch.close()
    with pytest.raises(TaskError, match="closed"):
        batch.step(np.zeros((2, 5)))


@pytest.mark.parametrize("build", ENVS)
def test_collected_episodes_are_repeatable_and_replayed_by_the_task(build):
    env = build()
    env.reset(seed=0)
    state = env.get_state()
    data = env.collect_episodes(6, 15, seed=4)
    assert np.array_equal(env.get_state(), state)
    again = env.collect_episodes(6, 15, seed=4, workers=2)
    assert all(np.array_equal(data[k], again[k]) for k in data)
    assert data["observations"].shape == (6, 16, env.task.size)
    assert data["actions"].shape == (6, 15, env.joints)
    assert data["actions"].dtype == np.float32
    assert np.abs(data["actions"]).max() <= 1.0
    for e in range(3):
        observation, _ = env.reset(seed=int(data["seeds"][e]))
        np.testing.assert_allclose(observation, data["observations"][e, 0], atol=1e-9)
        for t in range(15):
            observation, reward, *_ = env.step(data["actions"][e, t])
            np.testing.assert_allclose(observation, data["observations"][e, t + 1], atol=1e-9)
            assert reward == pytest.approx(data["rewards"][e, t], abs=1e-9)


def test_more_episodes_only_append_and_cover_many_speeds():
    env = SwimEnv()
    few, many = env.collect_episodes(3, 80, seed=1), env.collect_episodes(60, 80, seed=1)
    assert np.array_equal(few["actions"], many["actions"][:3])
    np.testing.assert_allclose(few["observations"], many["observations"][:3], atol=1e-9)
    speed = env.task.speed(many["observations"][:, 30:])
    assert (speed > 0.08).mean() > 0.05
    assert (speed < -0.02).mean() > 0.05
