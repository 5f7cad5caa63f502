"""Physics of the pole between walls against its equations, and data that lean on them."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from sparsectl import environment
from sparsectl.envs.wallpole.env import LIMITS, WallPoleEnv
from sparsectl.envs.wallpole.scene import (
    CART_MASS,
    DAMPING,
    GRAVITY,
    LENGTH,
    STIFFNESS,
    TIP_MASS,
    WALL,
)
from sparsectl.errors import ConfigError

SECONDS = 0.05


def wall_force(x):
    """Force of both walls on the tip [N], to the right."""
    tip, speed = x[0] + LENGTH * np.sin(x[1]), x[2] + LENGTH * np.cos(x[1]) * x[3]
    force = 0.0
    for side in (-1, 1):
        depth, rate = side * tip - WALL, side * speed
        if depth > 0:
            force -= side * max(0.0, STIFFNESS * depth + DAMPING * rate)
    return force


def derivative(x, u, force=wall_force):
    """Lagrange's equations of a cart and a point mass on a massless pole."""
    sine, cosine, push = np.sin(x[1]), np.cos(x[1]), force(x)
    mass = np.array(
        [
            [CART_MASS + TIP_MASS, TIP_MASS * LENGTH * cosine],
            [TIP_MASS * LENGTH * cosine, TIP_MASS * LENGTH**2],
        ]
    )
    forces = [
        u + push + TIP_MASS * LENGTH * sine * x[3] ** 2,
        TIP_MASS * GRAVITY * LENGTH * sine + push * LENGTH * cosine,
    ]
    return np.concatenate([x[2:], np.linalg.solve(mass, forces)])


def integrate(x, u, steps=250, force=wall_force):
    """By midpoints of 0.2 ms."""
    h = SECONDS / steps
    for _ in range(steps):
        x = x + h * derivative(x + h / 2 * derivative(x, u, force), u, force)
    return x


def step(env, state, action):
    env.set_state(np.asarray(state, dtype=float))
    return env.step(np.array([action]))[0]


def test_free_motion_follows_the_equations():
    env, rng = WallPoleEnv(), np.random.default_rng(0)
    for _ in range(10):
        state, action = rng.uniform(-1, 1, 4) * [0.1, 0.3, 1.0, 1.0], rng.uniform(-1, 1)
        np.testing.assert_allclose(step(env, state, action), integrate(state, action), atol=1e-6)


def test_a_tip_in_a_wall_is_pushed_as_by_a_spring_and_a_damper():
    env, rng, pushed = WallPoleEnv(), np.random.default_rng(1), 0
    for k in range(16):
        state, action = rng.uniform(-1, 1, 4) * [0, 0.2, 1.0, 1.0], rng.uniform(-1, 1)
        side = (-1) ** k
        state[0] = side * rng.uniform(0.48, 0.6) - np.sin(state[1])
        expected = integrate(state, action)
        np.testing.assert_allclose(step(env, state, action), expected, atol=1e-3)
        free = integrate(state, action, force=lambda x: 0.0)
        pushed += abs(expected - free).max() > 0.02
    assert pushed >= 8


def test_the_wall_acts_in_contact_only_and_never_pulls():
    env = WallPoleEnv()
    for side in (-1, 1):
        near, inside = side * (WALL - 1e-3), side * (WALL + 1e-3)
        # towards the wall but not in it yet: at the first instant nothing acts
        env.set_state(np.array([near, 0.0, side * 0.01, 0.0]))
        free = integrate(env.get_state(), 0.0, force=lambda x: 0.0)
        np.testing.assert_allclose(env.step(np.zeros(1))[0], free, atol=1e-7)
        # inside and away faster than spring over damper: no pull
        env.set_state(np.array([inside, 0.0, -side * 0.5, 0.0]))
        free = integrate(env.get_state(), 0.0, force=lambda x: 0.0)
        np.testing.assert_allclose(env.step(np.zeros(1))[0], free, atol=1e-5)


def test_a_lean_on_a_wall_holds_the_pole_where_the_air_does_not():
    env = WallPoleEnv()
    for start, falls in ((-0.1, True), (0.4, False)):
        state = np.array([start, 0.2, 0.0, 0.0])
        env.set_state(state)
        angles = [env.step(np.ones(1))[0][1] for _ in range(8)]
        assert (max(angles) > LIMITS[1]) == falls


def test_starts_are_in_the_limits_or_given():
    env = gymnasium.make("sparsectl/WallPole-v0")
    starts = np.stack([env.reset(seed=s)[0] for s in range(200)])
    assert (abs(starts) <= LIMITS).all()
    assert (np.ptp(starts, axis=0) > 1.8 * LIMITS).all()
    given = environment.make(
        "sparsectl/WallPole-v0", {"reset_options": {"state": [0.1, -0.2, 0.3, 0.0]}}
    )
    assert given.reset(seed=0)[0].tolist() == [0.1, -0.2, 0.3, 0.0]


def test_arguments_it_does_not_know_are_refused_in_one_line():
    with pytest.raises(ConfigError, match=r"refuses the arguments.*stiffness") as caught:
        environment.make("sparsectl/WallPole-v0", {"stiffness": 3.0})
    assert "\n" not in str(caught.value)


def test_success_is_upright_in_the_middle_and_slow():
    env = WallPoleEnv()
    cases = [
        ((0, 0, 0, 0), True),
        ((0.04, 0, 0, 0), True),
        ((0.06, 0, 0, 0), False),
        ((0, 0.12, 0, 0), False),
        ((-0.3, 0.3, 0, 0), False),
        ((0, 0, 0.11, 0), False),
        ((0, 0, 0, -0.11), False),
    ]
    for state, success in cases:
        assert env._info(env.set_state(np.array(state, dtype=float)))["is_success"] is success


def test_data_are_near_the_limits_and_lean_on_both_walls():
    data = WallPoleEnv().collect_episodes(300, 6, seed=0)["observations"]
    tip = data[..., 0] + np.sin(data[..., 1])
    assert (tip > WALL).mean() > 0.05
    assert (tip < -WALL).mean() > 0.05
    assert (abs(data) <= 1.2 * LIMITS).all(-1).mean() > 0.6
