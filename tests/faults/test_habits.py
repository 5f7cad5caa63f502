"""Habits of environments: closing badly, whole numbers, what stays from episode to episode."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from sparsectl import dynamics, environment, evaluate
from sparsectl.control import Setup, Zero
from sparsectl.data import CollectConfig, collect
from sparsectl.dynamics.lower import lower
from sparsectl.task import Task, TaskConfig


class Habit(gymnasium.Env):
    """An integrator with one habit."""

    def __init__(self, habit: str = "") -> None:
        self.habit, whole = habit, habit == "whole"
        self.observation_space = spaces.Box(-999, 999, (1,), np.int32 if whole else np.float64)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.sum = 0.0

    def see(self) -> np.ndarray:
        self.sum += float(self.x) if self.habit == "running" else 0.0
        return np.array([self.x - self.sum]).astype(self.observation_space.dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        rng = np.random.default_rng() if self.habit == "unseeded" else self.np_random
        self.x, self.t = rng.uniform(1, 9), 0
        return self.see(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.x, self.t = self.x + float(action[0]), self.t + 1
        info = {"error": 1000.0 * self.t} if self.habit == "late" and self.t > 1 else {}
        return self.see(), 0.0, False, False, info

    def close(self) -> None:
        if self.habit == "closes":
            raise AttributeError("no viewer")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    gymnasium.register(id="Habit-v0", entry_point=Habit, max_episode_steps=4)
    yield
    del gymnasium.registry["Habit-v0"]


def recorded(habit: str, **options):
    return collect(CollectConfig(20, 4, "random"), "Habit-v0", {"habit": habit}, **options)


def test_actions_behind_whole_observations_keep_their_fractions():
    env = environment.make("Habit-v0", {"habit": "whole", "history": {"actions": 1}})
    env.reset(seed=0)
    assert env.step(np.array([0.75], np.float32))[0][1] == 0.75


def test_an_environment_that_fails_in_close_costs_nothing():
    with pytest.warns(UserWarning, match=r"'Habit-v0' fails in close\(\): AttributeError: no v"):
        assert recorded("closes").transitions == 20


def test_what_stays_from_one_episode_to_the_next_is_told():
    with pytest.warns(UserWarning, match="carries something over from one episode to the next"):
        recorded("running")


@pytest.mark.parametrize("habit", ["", "unseeded"])
def test_an_environment_that_starts_afresh_is_not_suspected(habit):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recorded(habit)


def test_actions_of_a_policy_are_recorded_as_they_acted():
    found = recorded("", policy=lambda o, rng: np.array([7.0]))
    assert {*np.concatenate(found.actions).ravel()} == {1.0}


def test_a_seed_may_be_a_number_of_numpy():
    env = environment.make("Habit-v0")
    assert env.reset(seed=np.int64(3))[0] == env.reset(seed=3)[0]


def test_episodes_are_selected_by_a_mask_as_by_numbers():
    found = recorded("")
    mask = np.arange(len(found)) % 2 == 1
    chosen = found.select(mask)
    assert chosen.seeds.tolist() == found.seeds[mask].tolist()
    assert found.select([-1]).seeds.tolist() == found.seeds[-1:].tolist()


def test_an_error_that_is_told_late_is_not_mixed_with_costs():
    task = Task(TaskConfig(), 1, -np.ones(1), np.ones(1))
    model = dynamics.build(dynamics.MLPConfig(()), task.map.names, 1, 1)
    zero = Zero(Setup("zero", task, model, lower(model), 1))
    row = evaluate.run_episode("Habit-v0", {"habit": "late"}, zero, 0)
    assert row["errors"] == [None, None, 2000.0, 3000.0, 4000.0]
    assert None not in evaluate.run_episode("Habit-v0", {}, zero, 0)["errors"]
