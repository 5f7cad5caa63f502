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
from sparsectl.task.constraints import BoxConfig, HalfSpaceConfig, KeepOutConfig

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


TRACK = TaskConfig(
    ObservationConfig({"tip": "0:2"}, {"path": "2:4"}),
    cost=CostConfig([TermConfig("tip", [[float(k), 0.0] for k in range(6)])]),
    constraints=ConstraintsConfig(
        boxes=[BoxConfig("tip", -9.0, [[9.0 - k, 9.0] for k in range(6)])]
    ),
)


def test_the_distance_is_to_the_target_of_the_step_itself():
    """It was the one of the step after it."""
    tracking = task(TRACK)
    assert tracking.distance(np.array([3.0, 0, 0, 0]), 3) == 0.0
    assert tracking.distance(np.array([0.0, 0, 0, 0]), 0) == 0.0
    assert tracking.distance(np.array([5.0, 0, 0, 0]), 50) == 0.0


def test_a_visited_step_is_held_against_the_limits_of_its_time():
    tracking = task(TRACK)
    before, after = np.array([0.0, 0, 0, 0]), np.array([7.5, 0, 0, 0])
    for step, by in ((0, 0.0), (1, 0.5), (2, 1.5), (9, 3.5)):
        constraints, states = tracking.visited(before, after, step)
        assert constraints.excess(states)[0].max() == pytest.approx(by)


def test_a_visited_step_is_held_against_where_the_region_was_and_is():
    """A path that the observation holds was taken to stand still."""
    region = KeepOutConfig("tip", box=(0.0, -1.0, 1.0, 1.0), path="path")
    config = TaskConfig(
        ObservationConfig({"tip": "0:2"}, {"path": "2:8"}),
        constraints=ConstraintsConfig(keep_out=[region]),
    )
    moving = Task(config, 8, np.array([-1.0]), np.array([1.0]))
    before = np.array([-0.5, 0, 0, 0, 2.0, 0, 4.0, 0])  # one step on the region is at x = 2
    for x, by in ((0.5, 0.0), (1.9, 0.0), (2.5, 0.5)):
        constraints, states = moving.visited(before, np.array([x, 0, *[0.0] * 6]), 3)
        assert constraints.excess(states)[0].max() == pytest.approx(by)


def test_a_decision_knows_its_step_and_the_last_action():
    problem = task(TRACK).problem(np.zeros(4), 2, step=3)
    np.testing.assert_array_equal(problem.cost.terms[0].target, [[4, 0], [5, 0]])
    np.testing.assert_array_equal(problem.constraints.h[:, 0], [5, 4])
    assert problem.hybrid is None
    limited = TaskConfig(action=ActionConfig(rate=0.5, blocks=[1, 2]))
    inputs = task(limited).problem(np.zeros(4), 3, last=np.array([0.7])).inputs
    assert (inputs.blocks, float(inputs.last[0])) == ((1, 2), 0.7)
    assert task(limited).problem(np.zeros(4), 3).inputs.last is None
    np.testing.assert_allclose(task(limited).admit(np.ones(1), np.zeros(1)), [0.5])


def test_prices_are_part_of_the_cost_and_not_of_the_constraints():
    config = TaskConfig(
        ObservationConfig({"tip": "0:2"}),
        constraints=ConstraintsConfig(
            [BoxConfig("tip", -1.0, 1.0, when="terminal", price=4.0)],
            [HalfSpaceConfig("tip", [1.0, 0.0], 0.5, price=2.0), HalfSpaceConfig("tip", [0, 1], 3)],
            [KeepOutConfig("tip", box=(2.0, 2.0, 3.0, 3.0), price=10.0)],
        ),
    )
    problem = task(config).problem(np.zeros(4), 2)
    assert problem.constraints.labels == ("half-space of 'tip'",)
    assert problem.hybrid == "some constraints have a price"
    states = np.array([[0.0, 0], [1.5, 0], [2.5, 2.25]])
    expected = 2 * (1.0 + 2.0) + 4 * (1.5 + 1.25) + 10 * 0.25
    assert problem.cost(states, np.zeros((2, 1))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"price": -1.0}, "price is -1.0, expected a number above 0"), ({"when": [(3, 1)]}, "never")],
)
@pytest.mark.parametrize("kind", [BoxConfig, HalfSpaceConfig])
def test_prices_and_windows_without_meaning_are_refused(kind, wrong, words):
    values = (0.0, 1.0) if kind is BoxConfig else ([1.0, 0.0], 1.0)
    with pytest.raises(ConfigError, match=words):
        kind("tip", *values, **wrong)
