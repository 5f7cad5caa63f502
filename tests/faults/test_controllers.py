"""What controllers do when the model, the solver or the observation misbehaves."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from sparsectl.control import (
    Controller,
    ControllerState,
    Supervised,
    SupervisedConfig,
    build,
    no_plan,
)
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError, SparsectlError, nearest
from sparsectl.mip import Limits
from sparsectl.program import ReluProgram
from sparsectl.task import CostConfig, Task, TaskConfig, TermConfig
from sparsectl.types import Plan, Status

SAMPLERS = ["mppi", "cem", "gradient"]
STATE = ControllerState(seed=1)
TASK = Task(
    TaskConfig(cost=CostConfig([TermConfig("observation", [1.0], "l2sq")])),
    1,
    np.array([-1.0]),
    np.array([1.0]),
)
PROGRAM = ReluProgram(
    2, sp.csr_array((0, 2)), np.zeros(0), sp.csr_array(np.array([[1.0, 0.5]])), np.zeros(1)
)


class Integrator(Dynamics):
    """x' = x + u / 2, but `wrong` wherever the state leaves [-`limit`, `limit`]."""

    def __init__(self, limit: float, wrong: float) -> None:
        super().__init__()
        self.nx = self.nu = 1
        self.limit, self.wrong = limit, wrong

    def forward(self, x, u):
        y = x + 0.5 * u
        return torch.where(abs(y) > self.limit, torch.full_like(y, self.wrong), y)


class Broken(Controller):
    """Raises, or returns what it is given."""

    def __init__(self, outcome):
        self.name, self.task, self.horizon, self.outcome = "broken", TASK, 4, outcome

    def solve(self, problem, state, *, deadline=None, starts=()):
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome(problem), None


def planner(kind, limit, wrong):
    return build(kind, {}, TASK, Integrator(limit, wrong), PROGRAM, 4, "cpu")


@pytest.mark.parametrize("kind", ["mppi", "cem"])
def test_a_deadline_of_infinity_is_none_one_of_the_past_is_now_and_nan_is_refused(kind):
    model = Integrator(np.inf, 0.0)
    controller = build(kind, {"iterations": 2}, TASK, model, PROGRAM, 2, "cpu")
    state = np.array([0.5])
    assert controller.plan(state, STATE, deadline=-np.inf).status.has_plan
    for wrong in (np.nan, "1"):
        with pytest.raises(ConfigError, match=r"deadline is .*, expected a value"):
            controller.plan(state, STATE, deadline=wrong)
    free, late = (controller.plan(state, STATE, deadline=d) for d in (None, np.inf))
    np.testing.assert_array_equal(free.actions, late.actions)


@pytest.mark.parametrize("seconds", [np.nan, -1.0, "1"])
def test_limits_of_time_are_numbers(seconds):
    with pytest.raises(ConfigError, match="limits: seconds is"):
        Limits(seconds=seconds)
    for name in ("budget", "margin", "sampler_budget"):
        with pytest.raises(ConfigError, match=f"supervised: {name} is"):
            SupervisedConfig(**{name: seconds})
    assert Limits(seconds=np.inf).seconds is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("kind", SAMPLERS)
def test_some_bad_rollouts_cost_only_themselves(kind, wrong):
    # A third of all samples leaves the region in which the model is finite.
    plan = planner(kind, 1.2, wrong).plan(np.array([0.5]), STATE)
    assert plan.status.has_plan
    best = planner(kind, np.inf, 0.0).plan(np.array([0.5]), STATE)
    assert plan.cost <= 1.05 * best.cost + 1e-3
    assert abs(plan.states).max() <= 1.2


@pytest.mark.parametrize("kind", SAMPLERS)
def test_no_finite_rollout_is_a_failure_not_a_crash(kind):
    controller = planner(kind, -1.0, np.nan)
    plan = controller.plan(np.array([0.5]), STATE)
    assert plan.status is Status.FAILED
    assert "NaN" in plan.info["message"]
    np.testing.assert_array_equal(controller.first_action(plan), [0.0])
    acted = Supervised(controller, PROGRAM, SupervisedConfig(budget=0.1)).plan(np.array([0.5]))
    assert (acted.fallback, acted.source) == ("failed", "idle")


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_non_finite_warm_start_is_forgotten(kind):
    bad = Plan(np.full((4, 1), np.nan), np.zeros((5, 1)), Status.HEURISTIC, 0.0)
    plan = planner(kind, np.inf, 0.0).plan(np.array([0.5]), STATE.after(bad, None))
    assert plan.status.has_plan
    assert np.isfinite(plan.actions).all()
    assert plan.cost < 0.5


@pytest.mark.parametrize(
    "error",
    [
        SparsectlError("refused"),
        FloatingPointError("underflow"),
        np.linalg.LinAlgError("singular"),
        RuntimeError("torch"),
        ValueError("nan in matrix"),
        MemoryError(),
        Exception("SCIP: error in LP solver!"),
    ],
)
def test_outcomes_of_planning_become_fallbacks(error):
    plan = Supervised(Broken(error), PROGRAM).plan(np.array([0.5]))
    assert plan.fallback == f"exception:{type(error).__name__}"
    assert plan.info["message"] == str(error)
    assert plan.status.has_plan
    assert STATE.after(plan, None).failures == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), TypeError(), KeyError("k")])
def test_interrupts_and_bugs_pass(error):
    with pytest.raises(type(error)):
        Supervised(Broken(error), PROGRAM).plan(np.array([0.5]))


@pytest.mark.parametrize(
    ("actions", "says"),
    [
        (np.full((4, 1), np.nan), "non-finite"),
        (np.full((4, 1), 1.5), "leaves the action box by 0.5"),
        (np.zeros((4, 2)), "shape"),
        (np.zeros((0, 1)), "shape"),
    ],
)
def test_a_plan_that_claims_success_is_checked_all_the_same(actions, says):
    def outcome(problem):
        return Plan(actions, np.zeros((5, 1)), Status.OPTIMAL, 0.0, bound=0.0, source="liar")

    plan = Supervised(Broken(outcome), PROGRAM).plan(np.array([0.5]))
    assert (plan.fallback, plan.source) == ("failed", "idle")
    assert says in plan.info["message"]
    assert np.isfinite(plan.actions).all()


def test_a_bad_answer_of_the_last_decision_cannot_act_shifted():
    old = Plan(np.full((4, 1), np.nan), np.zeros((5, 1)), Status.HEURISTIC, 0.0)
    none = Broken(lambda problem: no_plan(problem, Status.INFEASIBLE, "", source="x"))
    plan = Supervised(none, PROGRAM).plan(np.array([0.5]), STATE.after(old, None))
    assert plan.source == "idle"
    assert np.isfinite(plan.actions).all()


def test_a_model_that_cannot_price_even_idling_still_gives_an_action():
    huge = sp.csr_array(np.array([[1e300, 0.5]]))
    program = ReluProgram(2, sp.csr_array((0, 2)), np.zeros(0), huge, np.zeros(1))
    with np.errstate(over="ignore", invalid="ignore"):
        plan = Supervised(Broken(ValueError()), program).plan(np.array([1e10]))
    assert (plan.source, plan.cost) == ("idle", np.inf)
    np.testing.assert_array_equal(plan.actions[0], [0.0])


def test_non_finite_observation_is_refused_by_every_planner():
    for kind in SAMPLERS:
        with pytest.raises(NonFiniteError, match="index"):
            planner(kind, np.inf, 0.0).plan(np.array([np.nan]))


def test_what_a_controller_is_given_has_its_own_shape():
    """NumPy's complaints named neither what was wrong nor what was expected."""
    mppi = build("mppi", {"samples": 8}, TASK, Integrator(9, 0.0), PROGRAM, 3)
    with pytest.raises(ShapeError, match=r"flat observation has shape \(1, 1\), expected \(1,\)"):
        mppi.plan(np.zeros((1, 1)))
    with pytest.raises(ShapeError, match=r"starting plan has shape \(2, 1\), expected \(3, 1\)"):
        mppi.decide(np.zeros(1), starts=[np.zeros((2, 1))])


@pytest.mark.parametrize(("before", "after"), [(None, 2), (2, 3), (2, None)])
def test_a_state_of_other_environments_is_refused(before, after):
    mppi = build("mppi", {"samples": 8}, TASK, Integrator(9, 0.0), PROGRAM, 3)
    first, then = (np.zeros(1 if n is None else (n, 1)) for n in (before, after))
    state = mppi.predict(first)[1]
    with pytest.raises(ShapeError, match="give None where another number of them begins"):
        mppi.predict(then, state)
    assert mppi.predict(first, state)[0].shape == first.shape


def test_the_nearest_name_does_not_depend_on_capitals():
    assert nearest("MIP", ["mip", "cem"]) == " (did you mean 'mip'?)"
