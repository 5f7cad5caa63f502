import time

import numpy as np
import pytest

from sparsectl.control import (
    Controller,
    ControllerState,
    Random,
    Supervised,
    SupervisedConfig,
    finish,
    no_plan,
)
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError
from sparsectl.types import Plan, Status

X = np.array([1.0, 0.0])


class Scripted(Controller):
    """Does what it is told; remembers what it was given."""

    def __init__(self, toy, script=None):
        self.name, self.task, self.horizon = "scripted", toy.task, toy.horizon
        self.toy, self.script, self.given = toy, script, []

    def solve(self, problem, state, *, deadline=None, starts=()):
        self.given.append((state, deadline))
        if self.script is not None:
            outcome = self.script(problem)
            if isinstance(outcome, Plan):
                return outcome, None
        plan = finish(self.toy.program, problem, np.full((6, 1), -0.3), source="scripted")
        return plan, "of its own"


def supervised(toy, script=None, sampler=None, **config):
    return Supervised(
        Scripted(toy, script), toy.program, SupervisedConfig(**config), sampler=sampler
    )


def without(status):
    return lambda problem: no_plan(problem, status, "the reason", source="scripted")


def test_a_good_plan_passes_unchanged(toy, start):
    controller = supervised(toy)
    plan = controller.plan(X, start)
    assert (plan.source, plan.fallback) == ("scripted", None)
    assert (plan.info["overrun"], plan.info["terminate"]) == (0.0, False)
    np.testing.assert_array_equal(plan.actions, np.full((6, 1), -0.3))


def test_deadline_leaves_a_margin_and_obeys_the_callers(toy, start):
    controller = supervised(toy, budget=0.5, margin=0.1)
    before = time.perf_counter()
    controller.plan(X, start)
    deadline = controller.inner.given[0][1]
    assert before + 0.4 <= deadline <= time.perf_counter() + 0.4
    controller.plan(X, start, deadline=before + 0.2)
    assert controller.inner.given[1][1] == pytest.approx(before + 0.1)


@pytest.mark.parametrize("status", [Status.INFEASIBLE, Status.NO_SOLUTION, Status.FAILED])
def test_first_the_shifted_plan_acts(toy, start, status):
    good = finish(toy.program, toy.problem(), np.arange(6)[:, None] / 20, source="earlier")
    sampler = Random(toy.setup("r"))
    plan = supervised(toy, without(status), sampler).plan(X, start.after(good, None))
    assert (plan.source, plan.fallback, plan.status) == ("shifted", status, Status.HEURISTIC)
    np.testing.assert_allclose(plan.actions[:, 0], [0.05, 0.1, 0.15, 0.2, 0.25, 0.0])
    assert plan.info["message"] == "the reason"
    assert plan.cost == pytest.approx(toy.problem().cost(plan.states, plan.actions))


def test_then_the_sampler_then_the_idle_action(toy, start):
    sampler = Random(toy.setup("r"))
    failing = without(Status.INFEASIBLE)
    plan = supervised(toy, failing, sampler).plan(X, start)
    assert (plan.source, plan.fallback) == ("random", "infeasible")
    for useless in (None, Scripted(toy, failing), Scripted(toy, _raise(ValueError("no")))):
        plan = supervised(toy, failing, useless).plan(X, start)
        assert (plan.source, plan.fallback) == ("idle", "infeasible")
        np.testing.assert_array_equal(plan.actions, np.zeros((6, 1)))
        assert np.isfinite(plan.cost)


def test_running_out_of_time_is_told_from_giving_up(toy, start):
    def slow(problem):
        time.sleep(0.06)
        return no_plan(problem, Status.NO_SOLUTION, "", source="x")

    assert supervised(toy, slow, budget=0.05).plan(X, start).fallback == "deadline"
    quick = supervised(toy, without(Status.NO_SOLUTION), budget=5.0).plan(X, start)
    assert quick.fallback == "no_solution"


@pytest.mark.parametrize(("late", "acts"), [("use", "scripted"), ("discard", "idle")])
def test_late_answer_is_counted_and_used_or_discarded(toy, start, late, acts):
    controller = supervised(toy, lambda problem: time.sleep(0.08), budget=0.05, late=late)
    plan = controller.plan(X, start)
    assert plan.source == acts
    assert plan.fallback == (None if late == "use" else "deadline")
    assert plan.info["overrun"] >= 0.03 - 1e-3
    assert plan.seconds >= 0.08


def _raise(error):
    def script(problem):
        raise error

    return script


def test_failures_drop_the_warm_start_and_then_ask_to_terminate(toy):
    controller = supervised(toy, without(Status.INFEASIBLE), drop_after=2, terminate_after=4)
    good = finish(toy.program, toy.problem(), np.full((6, 1), -0.2), source="earlier")
    state = ControllerState().after(good, "elites")
    seen = []
    for _ in range(5):
        plan, following = controller.decide(X, state)
        given = controller.inner.given[-1][0]
        seen.append((plan.source, given.plan is None, given.memory is None, plan.info["terminate"]))
        state = following
    assert seen == [
        ("shifted", False, False, False),
        ("shifted", False, False, False),
        ("idle", True, True, False),
        ("idle", True, True, True),
        ("idle", True, True, True),
    ]
    recovered = supervised(toy, drop_after=2, terminate_after=4)
    plan, state = recovered.decide(X, state)
    assert recovered.inner.given[-1][0].plan is None
    assert plan.fallback is None
    assert state.failures == 0


def test_memory_is_the_inner_controllers_and_survives_a_fallback(toy, start):
    _, state = supervised(toy).decide(X, start)
    assert state.memory == "of its own"
    plan, state = supervised(toy, without(Status.FAILED)).decide(X, state)
    assert (plan.fallback, state.memory) == ("failed", "of its own")
    plan, state = supervised(toy, on_bad_observation="fallback").decide(np.full(2, np.nan), state)
    assert (plan.fallback, state.memory) == ("exception:NonFiniteError", "of its own")


def test_bad_observations(toy, start):
    with pytest.raises(NonFiniteError):
        supervised(toy).plan(np.array([np.nan, 0.0]), start)
    with pytest.raises(ShapeError):
        supervised(toy, on_bad_observation="fallback").plan(np.zeros(3), start)
    blind = supervised(toy, on_bad_observation="fallback")
    plan = blind.plan(np.array([np.inf, 0.0]), start)
    assert (plan.source, plan.fallback) == ("idle", "exception:NonFiniteError")
    np.testing.assert_array_equal(plan.actions[0], [0.0])
    good = finish(toy.program, toy.problem(), np.arange(6)[:, None] / 20, source="earlier")
    plan = blind.plan(np.array([np.inf, 0.0]), start.after(good, None))
    assert plan.source == "shifted"
    np.testing.assert_allclose(plan.actions[0], [0.05])
    assert not blind.inner.given


def test_solve_is_supervised_too(toy, start):
    plan = supervised(toy, _raise(ValueError("no"))).solve(toy.problem(), start)[0]
    assert plan.fallback == "exception:ValueError"


@pytest.mark.parametrize(
    "bad", [{"budget": 0.0}, {"budget": 0.1, "margin": 0.1}, {"drop_after": 0}, {"margin": -1.0}]
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ConfigError):
        SupervisedConfig(**bad)
