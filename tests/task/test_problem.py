"""A task resolved for an environment, and its decisions."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.errors import ConfigError, NonFiniteError, ShapeError
from sparsectl.task import (
    ActionConfig,
    ConstraintsConfig,
    CostConfig,
    ObservationConfig,
    Task,
    TaskConfig,
    TermConfig,
)
from sparsectl.task.constraints import BoxConfig

CONFIG = TaskConfig(
    ObservationConfig({"tip": "0:2"}, {"target": "2:4"}),
    cost=CostConfig([TermConfig("tip", "target")]),
    constraints=ConstraintsConfig(boxes=[BoxConfig("tip", -1.0, 1.0)]),
)


def task(config: TaskConfig = CONFIG, low=(-1.0,), high=(2.0,)) -> Task:
    return Task(config, 4, np.array(low, np.float32), np.array(high, np.float32))


def test_problem_holds_state_goal_box_and_horizon():
    problem = task().problem(np.array([0.1, 0.2, 0.3, 0.4], np.float32), 5)
    assert (problem.nx, problem.nu, problem.horizon) == (2, 1, 5)
    np.testing.assert_allclose(problem.x0, [0.1, 0.2], rtol=1e-6)
    np.testing.assert_allclose(problem.cost.terms[0].target, [0.3, 0.4], rtol=1e-6)
    assert problem.u_low.dtype == np.float64
    assert not problem.constraints.empty


def test_goals_of_two_decisions_do_not_mix():
    t = task()
    first = t.problem(np.zeros(4), 1)
    t.problem(np.ones(4), 1)
    np.testing.assert_array_equal(first.cost.terms[0].target, [0, 0])


@pytest.mark.parametrize("horizon", [0, -3])
def test_horizon_below_one_is_refused(horizon):
    with pytest.raises(ConfigError, match=f"horizon is {horizon}"):
        task().problem(np.zeros(4), horizon)


def test_wrong_observations_are_refused():
    with pytest.raises(NonFiniteError):
        task().problem(np.array([0, np.nan, 0, 0]), 1)
    with pytest.raises(ShapeError):
        task().problem(np.zeros(5), 1)


@pytest.mark.parametrize(
    "config",
    [
        TaskConfig(cost=CostConfig([TermConfig("tip")])),
        TaskConfig(CONFIG.observation, cost=CostConfig([TermConfig("tip", "goal")])),
        TaskConfig(CONFIG.observation, constraints=ConstraintsConfig([BoxConfig("x", 0, 1)])),
    ],
)
def test_unknown_names_fail_when_the_task_is_made(config):
    with pytest.raises(ConfigError, match="unknown"):
        task(config)


def test_action_box_must_be_finite_and_flat():
    with pytest.raises(ConfigError, match="unbounded"):
        task(high=(np.inf,))
    with pytest.raises(ShapeError):
        task(high=(1.0, 2.0))


@pytest.mark.parametrize(
    ("config", "low", "high"),
    [
        (ActionConfig(), [-1.0, -1.0], [2.0, 2.0]),
        (ActionConfig(-0.5, 0.5), [-0.5, -0.5], [0.5, 0.5]),
        (ActionConfig(low=[-3.0, 0.0]), [-1.0, 0.0], [2.0, 2.0]),
        (ActionConfig(high=[9.0, 1.0]), [-1.0, -1.0], [2.0, 1.0]),
    ],
)
def test_configured_actions_stay_inside_the_environments_box(config, low, high):
    t = task(TaskConfig(action=config), (-1.0, -1.0), (2.0, 2.0))
    np.testing.assert_array_equal(t.u_low, low)
    np.testing.assert_array_equal(t.u_high, high)


def test_a_configured_box_bounds_an_unbounded_action_space():
    t = task(TaskConfig(action=ActionConfig(-1.0, 1.0)), (-np.inf,), (np.inf,))
    assert (t.u_low, t.u_high) == ([-1.0], [1.0])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (ActionConfig(low=3.0), "no action is left"),
        (ActionConfig(low=[0.0, 0.0]), "low has 2 entries, actions have 1"),
    ],
)
def test_action_limits_that_do_not_fit(config, words):
    with pytest.raises(ConfigError, match=words):
        task(TaskConfig(action=config))


@pytest.mark.parametrize("size", [1001, 12288])
def test_a_state_that_is_too_large_to_plan_with_is_refused_at_once(size):
    with pytest.raises(ConfigError, match=rf"state has {size} entries.*task\.observation\.state"):
        Task(TaskConfig(), size, -np.ones(1), np.ones(1))
    few = TaskConfig(ObservationConfig({"a": "0:2", "b": f"{size - 1}"}))
    assert Task(few, size, -np.ones(1), np.ones(1)).nx == 3
