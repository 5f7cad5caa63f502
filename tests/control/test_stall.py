from dataclasses import replace

import numpy as np
import pytest

from sparsectl.control import Controller, StallNoise, Supervised, SupervisedConfig, finish, no_plan
from sparsectl.errors import ConfigError
from sparsectl.task import ActionConfig, Constraints
from sparsectl.types import Status

X = np.array([1.0, 0.0])


class Steady(Controller):
    """The same actions whatever happens; how often it was asked."""

    def __init__(self, toy, action=-0.3, status=None):
        self.name, self.task, self.horizon = "steady", toy.task, toy.horizon
        self.toy, self.action, self.status, self.asked = toy, action, status, 0

    def solve(self, problem, state, *, deadline=None, starts=()):
        self.asked += 1
        if self.status is not None:
            return no_plan(problem, self.status, "the reason", source="steady"), None
        actions = np.full((6, 1), self.action)
        return finish(self.toy.program, problem, actions, source="steady", bound=-1.0), None


def acted(controller, state, observations):
    """First actions of a sequence of observations, and the last plan."""
    actions = []
    for observation in observations:
        plan, state = controller.decide(observation, state)
        actions.append(controller.first_action(plan)[0])
    return actions, plan


def test_a_planner_whose_plans_come_true_acts_as_it_is(toy, start):
    controller = StallNoise(Steady(toy), toy.program, 0.1)
    first, state = controller.decide(X, start)
    plan = controller.plan(first.states[1], state)
    assert (plan.source, plan.info.get("stalls")) == ("steady", None)
    np.testing.assert_array_equal(plan.actions, np.full((6, 1), -0.3))


def test_while_nothing_changes_noise_grows_and_ends_when_something_does(toy, start):
    controller = StallNoise(Steady(toy), toy.program, 0.01)
    spread = []
    for seed in range(200):
        state = type(start)(seed=seed)
        actions, plan = acted(controller, state, [X] * 7)
        spread.append(np.array(actions) + 0.3)
        assert plan.info["stalls"] == 6
    std = np.std(spread, axis=0) / (0.01 * 0.75)
    assert std[0] == 0
    np.testing.assert_allclose(std[1:], [1, 2, 3, 4, 4, 4], rtol=0.2)
    actions, plan = acted(controller, start, [X, X, X, np.array([0.5, 0.0])])
    assert actions[-1] == actions[0] == -0.3
    assert "stalls" not in plan.info


def test_the_plan_says_what_it_costs_and_keeps_the_bound(toy, start):
    _, plan = acted(StallNoise(Steady(toy), toy.program, 0.1), start, [X, X])
    expected = finish(toy.program, toy.problem(X), plan.actions, source="")
    assert plan.cost == expected.cost
    np.testing.assert_array_equal(plan.states, expected.states)
    assert (plan.source, plan.status, plan.bound) == ("steady, noise", Status.HEURISTIC, -1.0)
    assert (plan.actions[1:] == -0.3).all()


def test_noise_that_violates_a_constraint_is_not_under_its_bound(toy, start):
    """Plans that violate it may cost less: nothing of this one is proved."""
    planner = StallNoise(Steady(toy), toy.program, 0.1)
    state = planner.decide(X, start)[1]
    never = Constraints(np.eye(2)[:1], np.array([-50.0]), (), ("limit",))
    plan, _ = planner.solve(replace(toy.problem(X), constraints=never), state)
    assert plan.source == "steady, noise"
    assert plan.info["violated"]
    assert (plan.bound, plan.gap, plan.certificate) == (None, None, "")


def test_noise_does_not_hide_that_a_plan_is_softened(toy, start):
    class Softened(Steady):
        def solve(self, problem, state, **options):
            plan, memory = super().solve(problem, state, **options)
            return replace(plan, status=Status.SOFTENED, bound=None), memory

    _, plan = acted(StallNoise(Softened(toy), toy.program, 0.1), start, [X, X])
    assert (plan.source, plan.status) == ("steady, noise", Status.SOFTENED)


def test_actions_stay_in_their_box_and_a_state_repeats(toy, start):
    controller = StallNoise(Steady(toy), toy.program, 50.0)
    once, twice = (acted(controller, start, [X] * 5)[0] for _ in range(2))
    assert once == twice
    assert {-1.0, 0.5} >= set(once[1:])


def test_waiting_on_purpose_is_no_stall(toy, start):
    rest = np.zeros(2)  # the idle action keeps the double integrator where it is
    actions, plan = acted(StallNoise(Steady(toy, 0.0), toy.program, 0.1), start, [rest] * 3)
    assert actions == [0.0] * 3
    assert "stalls" not in plan.info


def test_a_planner_without_a_plan_is_left_alone(toy, start):
    failing = Steady(toy, status=Status.FAILED)
    _, plan = acted(StallNoise(failing, toy.program, 0.1), start, [X, X])
    assert plan.status is Status.FAILED
    supervised = Supervised(
        StallNoise(failing, toy.program, 0.1), toy.program, SupervisedConfig(5.0)
    )
    _, plan = acted(supervised, start, [X, X])
    assert plan.fallback == "failed"
    assert "stalls" not in plan.info


def test_under_a_budget_stalls_are_counted_too(toy, start):
    inner = Steady(toy)
    supervised = Supervised(StallNoise(inner, toy.program, 0.1), toy.program, SupervisedConfig(5.0))
    _, plan = acted(supervised, start, [X] * 4)
    assert plan.info["stalls"] == 3
    assert inner.asked == 4


@pytest.mark.parametrize("noise", [0.0, -1.0, float("inf"), float("nan")])
def test_noise_that_makes_no_sense_is_refused(toy, noise):
    with pytest.raises(ConfigError, match="expected above 0"):
        StallNoise(Steady(toy), toy.program, noise)


def test_where_noise_is_too_small_for_a_level_another_one_is_taken(toy_factory, start):
    toy = toy_factory(action=ActionConfig(levels=[-1.0, -0.3, 0.5]))
    controller = StallNoise(Steady(toy), toy.program, 0.01)
    actions = [acted(controller, type(start)(seed=s), [X, X])[0][1] for s in range(20)]
    assert set(actions) == {-1.0, 0.5}
