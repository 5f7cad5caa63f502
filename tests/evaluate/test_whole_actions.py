"""Whoever acts in an environment of whole numbers: what is recorded is what it got."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl import environment
from sparsectl.control import PolicyController
from sparsectl.control.base import Controller
from sparsectl.evaluate import run_episode
from sparsectl.online import Exploration
from sparsectl.task import ActionConfig, Task, TaskConfig
from sparsectl.types import Plan, Status

ENV = "CartPole-v1"


def task_of(env_id: str = ENV, **action) -> Task:
    with environment.make(env_id) as env:
        task = Task.of(TaskConfig(action=ActionConfig(**action)), env)
    return task


class Leaning:
    """Pushes to where the pole leans; as a policy of the environment's own space."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.int64(observation[2] + observation[3] > 0), None


def played(controller, env_id: str = ENV, **options):
    course: dict[str, np.ndarray] = {}
    row = run_episode(env_id, None, controller, 3, steps=60, course=course, **options)
    with environment.make(env_id) as env:
        observation, _ = env.reset(seed=3)
        for seen, action in zip(course["observations"][1:], course["actions"], strict=True):
            observation = env.step(action)[0]
            np.testing.assert_array_equal(observation, seen)
        assert all(np.array_equal(env.inside(a), a) for a in course["actions"])
    return row, course


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_policy_of_the_environments_own_space_plays(wrapped):
    policy = Leaning()
    controller = PolicyController("leaning", task_of(), policy) if wrapped else policy
    row, course = played(controller)
    assert (row["outcome"], row["return"], row["clipped_actions"]) == ("finished", 60, 0)
    assert set(course["actions"].ravel()) == {0, 1}


class Halves(Controller):
    """Plans actions between the levels, which rates are counted from."""

    name, horizon = "halves", 1

    def __init__(self, task: Task) -> None:
        self.task, self.applied = task, []

    def solve(self, problem, state, *, deadline=None, starts=()):
        self.applied.append(state.applied(self))
        return Plan(np.full((1, 1), 0.7), problem.x0[None], Status.HEURISTIC, 0.0), None


def test_an_action_that_is_rounded_counts_as_changed_and_is_told_to_the_controller():
    controller = Halves(task_of())
    row, _ = played(controller)
    assert row["clipped_actions"] == row["steps"]
    assert controller.applied[0] is None
    assert all(np.array_equal(a, [1.0]) for a in controller.applied[1:])


def test_exploration_draws_other_levels_and_keeps_the_rate():
    explore = Exploration(task_of(), 0.5, np.random.default_rng(0))
    drawn = np.array([explore(np.zeros(1)) for _ in range(400)])
    assert set(drawn.ravel()) == {0, 1}
    assert drawn.mean() == pytest.approx(0.125, abs=0.05)  # a quarter of them is random
    explore = Exploration(task_of("Pendulum-v1", rate=0.1), 1.0, np.random.default_rng(0))
    noisy = np.array([explore(np.zeros(1)) for _ in range(400)])
    assert np.ptp(noisy) > 0.3
    assert abs(np.diff(noisy, axis=0)).max() <= 0.1 + 1e-9
