"""A pole that must be swung both ways, buffers that stop the cart, and data that reach both."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.envs.cartpole.env import CartPoleEnv
from sparsectl.envs.cartpole.exploration import GRAVITY
from sparsectl.envs.cartpole.scene import LENGTH, RAIL


def at(env, position=0.0, angle=0.0, velocity=0.0, spin=0.0):
    return env.set_state(np.array([position, angle, velocity, spin]))


def test_the_observation_is_position_velocity_sine_cosine_and_spin():
    seen = at(CartPoleEnv(), 0.1, 0.3, -0.2, 2.0)
    np.testing.assert_allclose(seen, [0.1, -0.2, np.sin(0.3), np.cos(0.3), 2.0])


def test_starts_are_at_rest_and_hang_or_stand():
    for start, sign in (("hanging", -1), ("upright", 1)):
        env = CartPoleEnv(start)
        first = np.stack([env.reset(seed=s)[0] for s in range(50)])
        assert (sign * first[:, 3]).min() > 0.95
        assert 0.2 < np.abs(first[:, 0]).max() <= 0.3
        assert np.ptp(np.sign(first[:, 2])) == 2
        assert not first[:, [1, 4]].any()


def test_success_is_the_tip_at_rest_above_the_middle():
    env = CartPoleEnv()
    cases = [
        ((0, 0, 0, 0), True),
        ((0.09, 0, 0, 0), True),
        ((0.11, 0, 0, 0), False),
        ((0, 0, 0, 1.1), False),
        ((0, np.pi, 0, 0), False),
        ((0, 2 * np.pi, 0, 0), True),
    ]
    for state, success in cases:
        info = env._info(at(env, *state))
        assert info["is_success"] is success
    assert env._info(at(env, angle=np.pi))["error"] == pytest.approx(2 * LENGTH)


def test_the_buffers_stop_the_cart_on_both_sides():
    env = CartPoleEnv()
    for sign in (-1.0, 1.0):
        at(env, 0.3 * sign, np.pi)
        positions = [env.step(np.array([sign]))[0][0] for _ in range(30)]
        assert RAIL - 0.01 < max(sign * np.array(positions)) < RAIL + 0.05
        assert abs(positions[-1] - sign * RAIL) < 0.01


def test_a_hanging_pole_swings_with_the_period_of_a_rod():
    env = CartPoleEnv()
    at(env, RAIL + 0.001, np.pi + 0.05)  # held at a buffer, so that only the pole moves
    sine = [env.step(np.ones(1))[0][2] for _ in range(40)]
    turns = np.flatnonzero(np.diff(np.sign(sine)) != 0)
    half = 0.1 * np.diff(turns).mean()
    assert half == pytest.approx(np.pi * np.sqrt(2 * LENGTH / (3 * GRAVITY)), rel=0.08)


def test_upright_is_unstable_and_no_constant_force_swings_the_pole_up():
    env = CartPoleEnv()
    at(env, angle=0.05)
    assert min(env.step(np.zeros(1))[0][3] for _ in range(20)) < 0
    for force in (-1.0, -0.5, 0.5, 1.0):
        at(env, angle=np.pi)
        assert max(env.step(np.full(1, force))[0][3] for _ in range(60)) < 0.5


def test_data_swing_up_balance_and_hit_the_buffers():
    data = CartPoleEnv().collect_episodes(200, 50, seed=0)["observations"]
    assert (data[..., 3] > 0.9).mean() > 0.08
    assert (data[:, -1, 3] > 0.95).mean() > 0.08
    assert (np.abs(data[..., 0]) > RAIL - 0.01).mean() > 0.04
    assert np.abs(data).max() < 20  # inside the observation space
