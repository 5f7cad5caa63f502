"""The circuit of Bhattasali, Zador and Engel (2022) before training, in a few lines of numpy."""

from __future__ import annotations

import numpy as np


def circuit(angles, limit, t, proprioception=1.0, right=0.0, left=0.0, brake=0.0):
    """Actions (N, J) of joint angles (N, J): weights of 1 and -1, a square wave of 60 steps."""
    bend = np.clip(angles / limit, -1, 1)
    drive = np.zeros((*bend.shape, 2))
    drive[:, 1:, 0] = proprioception * np.maximum(bend[:, :-1], 0)
    drive[:, 1:, 1] = proprioception * np.maximum(-bend[:, :-1], 0)
    drive[:, 0, int(t % 60 >= 30)] += 1.0
    drive[:, 0, 0] += right
    drive[:, 0, 1] += left
    drive = np.clip(drive - np.reshape(brake, (-1, 1, 1)), 0, 1)
    muscles = np.clip(drive - drive[..., ::-1], 0, 1)
    return muscles[..., 0] - muscles[..., 1]


def swim(env, observation, t, **inputs):
    """Actions of the circuit for observations (N, no) of a swimmer."""
    return circuit(observation[:, env.angles], env.joint_limit, t, **inputs)


def steer(env, observation, t, side=1.0):
    """The circuit with fixed rules that turn to the target and brake beside it."""
    x, y = observation[:, env.target].T * np.array([[-side], [1.0]])
    turn = {"right": 1.0 * (x > 0.1), "left": 1.0 * (x < -0.1)}
    return swim(env, observation, t, **turn, brake=np.abs(y) <= 0.12)


def returns(env, policy, seeds=None, states=None, steps=1000):
    """Sums of rewards (N,) of a policy, from seeds or from saved states."""
    with env.batch(len(seeds if states is None else states)) as batch:
        observation = batch.reset(seeds) if states is None else batch.set_states(states)
        total = np.zeros(len(observation))
        for t in range(steps):
            observation, rewards = batch.step(policy(env, observation, t))
            total += rewards
        assert not batch.diverged.any()
    return total
