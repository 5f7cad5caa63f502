"""Environments of reinforcement learning: restarts, infos, clocks and start states."""

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")

from sparsectl.circuits import Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig, body_of
from sparsectl.circuits.rl.clock import Clock
from sparsectl.circuits.rl.vector import BatchVector, vector
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.policies.rl.curve import training_seeds
from sparsectl.policies.rl.trainee import rounds

SWIM = EnvSpec("sparsectl/Swim-v0", {"links": 4})
SWIMMER = EnvSpec("Swimmer-v5")


def clock_of(spec, **config):
    env = open_env(spec)
    module = Circuit(CircuitConfig(**config), body_of(env))
    env.close()
    return Clock(module, module.body.size)


@pytest.mark.parametrize("spec", [SWIM, SWIMMER], ids=["batch", "copies"])
def test_copies_equal_single_environments_through_restarts(spec):
    clock, steps, scale = clock_of(spec), 4, 0.5
    envs = vector(spec, 3, steps, clock, seed=7, scale=scale)
    single = open_env(spec, steps)
    draw = np.random.default_rng(0)
    actions = draw.uniform(-1, 1, (2 * steps, 3, single.action_space.shape[0])).astype(np.float32)
    seen, outcomes = [envs.reset()], []
    for action in actions:
        observation, reward, done, info = envs.step(action)
        seen.append(observation)
        outcomes.append((reward.copy(), done.copy(), info))
    for copy in range(3):
        for episode in range(2):
            seed = training_seeds(7, episode, 3)[copy]
            expected, _ = single.reset(seed=seed)
            for k in range(steps):
                row = episode * steps + k
                np.testing.assert_allclose(seen[row][copy][:-1], expected, atol=1e-9)
                assert seen[row][copy][-1] == clock(k)[0]
                expected, gain, *_ = single.step(actions[row][copy])
                reward, done, info = outcomes[row]
                assert reward[copy] == pytest.approx(scale * gain, abs=1e-6)
                assert done[copy] == (k == steps - 1)
            last = info[copy]["terminal_observation"]
            np.testing.assert_allclose(last[:-1], expected, atol=1e-9)
            assert last[-1] == clock(steps)[0]
            assert info[copy]["TimeLimit.truncated"]
    envs.close()
    single.close()


def test_own_batch_is_used_where_offered():
    offered = vector(SWIM, 2, 4, clock_of(SWIM))
    other = vector(SWIMMER, 2, 4, clock_of(SWIMMER))
    assert isinstance(offered, BatchVector)
    assert not isinstance(other, BatchVector)


@pytest.mark.parametrize("spec", [SWIM, SWIMMER], ids=["batch", "copies"])
def test_rounds_count_episodes_that_have_left_their_start(spec):
    envs = vector(spec, 2, 3, clock_of(spec), episodes=5)
    still = np.zeros((2, *envs.action_space.shape), np.float32)
    assert rounds(envs) == 5
    envs.reset()
    assert rounds(envs) == 5
    envs.step(still)
    assert rounds(envs) == 6
    envs.step(still)
    envs.step(still)  # the episode ends and the next one waits at its start
    assert rounds(envs) == 6


def test_an_episode_that_blew_up_is_no_truncation():
    envs = vector(SWIM, 2, 2, clock_of(SWIM))
    envs.reset()
    still = np.zeros((2, *envs.action_space.shape), np.float32)
    envs.step(still)
    inner = envs.batch

    class Blown:
        reset, close = inner.reset, inner.close
        step, diverged = inner.step, np.array([False, True])

    envs.batch = Blown()
    info = envs.step(still)[3]
    assert [i["TimeLimit.truncated"] for i in info] == [True, False]
    assert envs.diverged == 1


@pytest.mark.parametrize("config", [{}, {"period": 17.5}, {"learn_period": True}])
def test_clock_gives_the_states_of_the_policy(config):
    clock = clock_of(SWIM, **config)
    state, seen = clock.module.initial_state(1), torch.rand(1, 15, dtype=torch.float64)
    for step in range(150):
        np.testing.assert_array_equal(clock(step), state[0].detach().numpy())
        state = clock.module(seen, state)[1]


def test_a_clock_that_is_not_shown_leaves_observations_alone():
    env = open_env(SWIM)
    module = MLPPolicy(MLPPolicyConfig(), body_of(env))
    envs = vector(SWIM, 2, 5, Clock(module, module.body.size, shown=False))
    assert envs.reset().shape == (2, 15)
    assert envs.observation_space.shape == (15,)
