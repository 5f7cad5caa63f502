"""Targets: where they are, what is paid, and that steering rules find them."""

from __future__ import annotations

import numpy as np
import pytest
from swim_reference import returns, steer, swim

from sparsectl.envs.swim import kinematics
from sparsectl.envs.swim.target import CLOSE, FAR, RADIUS, SwimTargetEnv


def suite_starts(env, seeds):
    """Starts of the control suite's `swimmer6`, from its random numbers."""
    states = []
    for seed in seeds:
        rng, state = np.random.RandomState(seed), (env.reset(seed=0) and env.get_state())
        state[2] = rng.uniform(-np.pi, np.pi)
        state[3:8] = rng.uniform(-np.pi / 3, np.pi / 3, 5)
        side = CLOSE if rng.uniform() < 0.2 else FAR
        state[16:18] = rng.uniform(-side, side, 2)
        states.append(state)
    return np.stack(states)


@pytest.mark.parametrize(
    ("policy", "score"),
    [
        (swim, 92),
        (steer, 581),
        (lambda *a: steer(*a, side=-1.0), 238),
    ],
    ids=["no steering", "steering and brake", "sides swapped"],
)
def test_steering_scores_as_in_the_original_task_from_its_own_starts(policy, score):
    env = SwimTargetEnv()
    states = suite_starts(env, range(12))
    assert returns(env, policy, states=states).mean() == pytest.approx(score, abs=8)


def test_targets_are_drawn_from_two_squares():
    task = SwimTargetEnv().task
    places = np.stack([task.aim(np.random.default_rng(s)) for s in range(2000)])
    assert np.abs(places).max() < FAR
    assert (np.abs(places).max(-1) < CLOSE).mean() == pytest.approx(0.2 + 0.8 * 0.15**2, abs=0.03)
    first = {tuple(SwimTargetEnv().reset(seed=s)[0][5:7]) for s in range(5)}
    assert len(first) == 5


def test_reward_info_and_observation_are_of_the_distance_of_nose_and_target():
    env = SwimTargetEnv()
    env.reset(seed=0)
    state = env.get_state()
    for distance, expected in ((0.05, 1.0), (0.0999, 1.0), (0.35, 1 / 3.25), (0.6, 0.1)):
        state[2] = heading = 0.7
        nose = kinematics.nose(state[:8])
        ahead = np.array([np.sin(heading), -np.cos(heading)])
        state[16:18] = nose + distance * ahead
        observation = env.set_state(state)
        np.testing.assert_allclose(observation[5:7], [0.0, -distance], atol=1e-12)
        assert env.task.reward(observation) == pytest.approx(expected)
        info = env._info(observation)
        assert info["error"] == pytest.approx(distance)
        assert info["is_success"] is (distance <= RADIUS)
    state[16:18] = kinematics.nose(state[:8]) + 0.3 * np.array([np.cos(0.7), np.sin(0.7)])
    np.testing.assert_allclose(env.set_state(state)[5:7], [0.3, 0.0], atol=1e-12)
