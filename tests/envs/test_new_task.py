"""A further bundled task is one file and one line of `_registry.TASKS`."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sparsectl import _registry, data
from sparsectl.envs.errors import TaskError

FILE = '''
"""Slider: bring a point to rest at the origin."""

import numpy as np
from sparsectl.envs.base import BundledTask


class SliderEnv(BundledTask):
    def __init__(self, span: float = 1.0, **picture):
        super().__init__(np.array([2.0 * span]), 1, **picture)
        self.span, self._x = span, 0.0

    def _begin(self, rng):
        self._x = rng.uniform(-self.span, self.span)

    def _advance(self, action):
        self._x = np.clip(self._x + 0.1 * action[0], -2.0 * self.span, 2.0 * self.span)

    def _observe(self):
        return np.array([self._x])

    def _info(self, observation):
        error = float(abs(observation[0]))
        return {"error": error, "is_success": error < 0.05}

    def _saved(self):
        return np.array([self._x])

    def _restore(self, state):
        self._x = state[0]

    def _picture(self):
        return np.zeros((*self._size[::-1], 3), np.uint8)
'''


@pytest.fixture
def slider(tmp_path, monkeypatch):
    name = "sparsectl/Slider-v0"
    (tmp_path / "slider_task.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(_registry.TASKS, name, ("slider_task:SliderEnv", 30))
    _registry.register()
    yield name
    gymnasium.registry.pop(name)
    sys.modules.pop("slider_task")


def test_it_is_a_clean_environment_with_exact_states_and_pictures(slider):
    env = gymnasium.make(slider, render_mode="rgb_array", width=32, height=16)
    check_env(env.unwrapped, skip_render_check=True)
    first, _ = env.reset(seed=3)
    state = env.unwrapped.get_state()
    moved = env.step(np.array([5.0]))[0]
    assert moved[0] == pytest.approx(first[0] + 0.1)
    assert np.array_equal(env.unwrapped.set_state(state), first)
    assert env.render().shape == (16, 32, 3)
    assert env.spec.max_episode_steps == 30


def test_its_errors_are_those_of_every_task(slider):
    with pytest.raises(TaskError, match=r"render_mode is 'rgb_aray', .*did you mean 'rgb_array'"):
        gymnasium.make(slider, disable_env_checker=True).unwrapped.__class__(render_mode="rgb_aray")
    env = gymnasium.make(slider).unwrapped
    with pytest.raises(gymnasium.error.ResetNeeded, match="before step"):
        env.step(np.zeros(1))
    env.reset(seed=0)
    with pytest.raises(TaskError, match=r"action has shape \(2,\)"):
        env.step(np.zeros(2))
    with pytest.raises(TaskError, match="episodes is 0"):
        env.collect_episodes(0, 5, 0)


def test_data_are_collected_from_it_as_from_any_bundled_task(slider):
    config = data.CollectConfig(transitions=50, episode_steps=10)
    found = data.collect(config, slider, {"span": 0.5}, seed=1)
    assert [o.shape for o in found.observations] == [(11, 1)] * 5
    env = gymnasium.make(slider, span=0.5)
    for e in range(5):
        observation, _ = env.reset(seed=int(found.seeds[e]))
        assert np.array_equal(observation, found.observations[e][0])
        for t in range(10):
            observation, reward, *_ = env.step(found.actions[e][t])
            assert np.array_equal(observation, found.observations[e][t + 1])
            assert reward == found.rewards[e][t]


def test_collecting_leaves_the_episode_alone(slider):
    env = gymnasium.make(slider).unwrapped
    first, _ = env.reset(seed=1)
    env.collect_episodes(3, 4, seed=0)
    assert np.array_equal(env.get_state(), first)
