from dataclasses import replace

import numpy as np
import pytest

from sparsectl.control import (
    Controller,
    ControllerState,
    Random,
    Zero,
    finish,
    idle_action,
    no_plan,
)
from sparsectl.control.plans import violation
from sparsectl.errors import NonFiniteError, ShapeError
from sparsectl.task import Problem, Task
from sparsectl.task.constraints import BoxConfig, Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.types import Status


def test_state_moves_on_and_counts_failures_in_a_row(toy, start):
    plan = finish(toy.program, toy.problem(), np.arange(6)[:, None] / 10, source="x")
    state = start.after(plan, None)
    assert (state.step, state.failures, state.plan) == (1, 0, plan)
    np.testing.assert_allclose(
        state.shifted(6, np.array([9.0]))[:, 0], [0.1, 0.2, 0.3, 0.4, 0.5, 9.0]
    )
    np.testing.assert_allclose(state.shifted(3, np.array([9.0]))[:, 0], [0.1, 0.2, 0.3])
    failed = replace(plan, fallback="infeasible")
    assert state.after(failed, None).after(failed, None).failures == 2
    assert state.after(failed, None).after(plan, None).failures == 0


def test_memory_is_what_the_controller_hands_on(toy, start):
    """It travels in the state alone: the same object serves any number of episodes."""

    class Counting(Controller):
        def solve(self, problem, state, *, deadline=None, starts=()):
            plan = finish(self.program, problem, np.zeros((6, 1)), source="x")
            return plan, (state.memory or 0) + 1

    controller = Counting(toy.setup())
    _, state = controller.decide(np.ones(2), start)
    _, state = controller.decide(np.ones(2), state)
    assert state.memory == 2
    assert controller.decide(np.ones(2))[1].memory == 1
    _, other = controller.predict(np.ones(2), state)
    assert (other.memory, other.step) == (3, 3)


def test_finish_clips_rolls_out_exactly_and_reports_the_violation(toy_factory):
    toy = toy_factory(boxes=[BoxConfig("position", 0.9, 10.0)])
    problem = toy.problem()
    plan = finish(toy.program, problem, np.full((6, 1), -5.0), source="x")
    np.testing.assert_array_equal(plan.actions, np.full((6, 1), -1.0))
    np.testing.assert_array_equal(plan.states, toy.program.rollout(problem.x0, plan.actions))
    expected = np.maximum(0.9 - plan.states[1:, 0], 0).sum()
    assert plan.info["violation"] == pytest.approx(expected)


def test_rounding_is_no_violation_at_a_price():
    priced = Constraints(np.eye(1), np.array([0.5]), weights=np.array([3.0]))
    cost = Cost((Term(np.eye(1), np.zeros(1), "l1", 1.0, 1.0),), priced=priced)
    none = Constraints(np.zeros((0, 1)), np.zeros(0))
    problem = Problem(np.zeros(1), cost, none, -np.ones(1), np.ones(1), 2)
    rounded, paid = (np.array([[0.0], [0.5 + by], [0.2]]) for by in (1e-12, 0.1))
    assert violation(problem, rounded)["priced_violation"] == 0.0
    assert violation(problem, paid)["priced_violation"] == pytest.approx(0.1)


def test_no_plan_executes_the_idle_action(toy):
    plan = no_plan(toy.problem(), Status.INFEASIBLE, "why", source="x")
    assert not plan.status.has_plan
    zero = Zero(toy.setup("z", 3))
    np.testing.assert_array_equal(zero.first_action(plan), [0.0])


def test_idle_action_lies_in_the_box(toy):
    task = Task(toy.task.config, 2, np.array([0.2]), np.array([1.0]))
    np.testing.assert_array_equal(idle_action(task), [0.2])


def test_predict_refuses_bad_observations(toy):
    zero = Zero(toy.setup("z", 3))
    with pytest.raises(ShapeError, match="expected"):
        zero.predict(np.zeros((2, 2, 2)))
    with pytest.raises(ShapeError):
        zero.predict(np.zeros(3))
    with pytest.raises(NonFiniteError):
        zero.predict(np.array([0.0, np.nan]))


def test_predict_restarts_where_an_episode_starts(toy):
    random = Random(toy.setup("r", 3))
    batch = np.zeros((2, 2))
    first, states = random.predict(batch)
    assert first.shape == (2, 1)
    assert first[0] != first[1]
    second, later = random.predict(batch, states, np.array([False, True]))
    assert [s.step for s in later] == [2, 1]
    assert second[0] != first[0]
    assert second[1] == first[1]
    assert isinstance(states[0], ControllerState)
