"""The piecewise-affine task is exactly the ReLU program made of its weights."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.envs.piecewise_affine.env import PiecewiseAffineEnv
from sparsectl.program.relu_program import ReluProgram

SIZES = [(1, 1, 0), (2, 1, 0), (4, 2, 3), (16, 16, 1)]


def program(env):
    system = env.system
    A = np.hstack([system.W, np.zeros((len(system.b), len(system.b)))])
    C = np.hstack([system.M, system.V])
    return ReluProgram(env.states + env.actions, A, system.b, C, np.zeros(env.states))


@pytest.mark.parametrize(("states", "actions", "seed"), SIZES)
def test_the_program_of_its_weights_is_the_environment(states, actions, seed):
    env = PiecewiseAffineEnv(states, actions, seed)
    x0, _ = env.reset(seed=0)
    U = np.random.default_rng(0).uniform(-1, 1, (40, actions))
    played = [x0] + [env.step(u)[0] for u in U]
    np.testing.assert_allclose(program(env).rollout(x0, U), played, atol=1e-12)
    data = env.collect_episodes(3, 20, seed=1)
    again = program(env).rollout(data["observations"][:, 0], data["actions"])
    np.testing.assert_allclose(again, data["observations"], atol=1e-12)


@pytest.mark.parametrize(("states", "actions", "seed"), SIZES)
def test_the_origin_is_an_unstable_equilibrium_and_states_stay_bounded(states, actions, seed):
    system = PiecewiseAffineEnv(states, actions, seed).system
    zero = np.zeros(actions)
    assert np.array_equal(system(np.zeros(states), zero), np.zeros(states))
    jacobian = system.M[:, :states]
    assert np.abs(np.linalg.eigvals(jacobian)).min() > 1.05
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (500, states))
    for _ in range(200):
        x = system(x, rng.choice([-1.0, 1.0], (500, actions)))
        assert np.linalg.norm(x, axis=1).max() <= system.radius


def test_every_kink_is_crossed_by_random_episodes():
    env = PiecewiseAffineEnv()
    data = env.collect_episodes(50, 20, seed=0)
    v = np.concatenate([data["observations"][:, :-1], data["actions"]], axis=-1)
    active = v @ env.system.W.T + env.system.b > 0
    assert (active.mean(axis=(0, 1)) > 0.01).all()
    assert (active.mean(axis=(0, 1)) < 0.99).all()


def test_another_seed_is_another_system():
    assert not np.allclose(
        PiecewiseAffineEnv(system_seed=0).system.M, PiecewiseAffineEnv(system_seed=1).system.M
    )
