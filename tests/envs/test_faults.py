"""Wrong actions, states and arguments get an error that says what to give."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from sparsectl.envs.cartpole.env import CartPoleEnv
from sparsectl.envs.errors import TaskError
from sparsectl.envs.piecewise_affine.env import PiecewiseAffineEnv
from sparsectl.envs.push.env import PushTEnv
from sparsectl.envs.rope.env import RopeEnv
from sparsectl.envs.sort.env import SortEnv
from sparsectl.envs.wallpole.env import WallPoleEnv


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_non_finite_action_is_refused_and_changes_nothing(env, value):
    env.reset(seed=0)
    before = env.unwrapped.get_state()
    action = np.zeros(env.action_space.shape)
    action[0] = value
    with pytest.raises(TaskError, match="not finite"):
        env.unwrapped.step(action)
    assert np.array_equal(before, env.unwrapped.get_state())


def test_an_action_of_another_shape_is_refused(env):
    env.reset(seed=0)
    for action in (np.zeros(7), 0.0, np.zeros((1, *env.action_space.shape))):
        with pytest.raises(TaskError, match="shape"):
            env.unwrapped.step(action)


def test_step_render_and_save_need_a_reset(env):
    action = np.zeros(env.action_space.shape)
    with pytest.raises(ResetNeeded):
        env.step(action)
    with pytest.raises(ResetNeeded):
        env.unwrapped.step(action)
    with pytest.raises(ResetNeeded):
        env.unwrapped.get_state()


def test_a_wrong_state_is_refused(env):
    env.reset(seed=0)
    state = env.unwrapped.get_state()
    with pytest.raises(TaskError, match="expected"):
        env.unwrapped.set_state(state[:-1])
    state[0] = np.nan
    with pytest.raises(TaskError, match="finite"):
        env.unwrapped.set_state(state)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PushTEnv(start="eazy"), "did you mean 'easy'"),
        (lambda: PushTEnv(start="beside"), "start is 'beside', expected one of 'full', 'easy'"),
        (lambda: CartPoleEnv(start="hangin"), "did you mean 'hanging'"),
        (lambda: CartPoleEnv(render_mode="human"), "rgb_array"),
        (lambda: CartPoleEnv(width=0), "width"),
        (lambda: WallPoleEnv(height=8), "height is 8, expected a whole number from 16"),
        (lambda: WallPoleEnv(render_mode="human"), "render_mode is 'human'"),
        (lambda: PushTEnv(obstacle="yes"), "obstacle is 'yes'"),
        (lambda: RopeEnv(pole=1), "pole is 1"),
        (lambda: RopeEnv(goals="around"), "goals is 'around', expected one of 'any'"),
        (lambda: RopeEnv(pole=True, goals="arond"), "did you mean 'around'"),
        (lambda: RopeEnv(render_mode="human"), "rgb_array"),
        (lambda: RopeEnv(width=0), "width"),
        (lambda: PushTEnv(height=5000), "height"),
        (lambda: SortEnv(discs=5), "discs is 5, expected one of 4, 6, 8"),
        (lambda: SortEnv(discs=8.0), "discs is 8.0, expected a whole number"),
        (lambda: SortEnv(discs="4"), "discs is '4'"),
        (lambda: SortEnv(width=1e3), "width"),
        (lambda: PiecewiseAffineEnv(states=0), "states"),
        (lambda: PiecewiseAffineEnv(actions=1.5), "actions"),
        (lambda: PiecewiseAffineEnv(system_seed=-1), "system_seed"),
    ],
)
def test_wrong_arguments_are_refused(build, message):
    with pytest.raises(TaskError, match=message):
        build()


def test_an_error_is_a_value_error():
    assert issubclass(TaskError, ValueError)


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError):
        gymnasium.make("sparsectl/Rope-v0", poles=True)
