"""The convex-relaxation planner: valid bounds, exact costs, outcomes as values."""

import time
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
import random_problems

from sparsectl.control import ControllerState, Supervised, SupervisedConfig, build, relaxation
from sparsectl.control.relaxation import Relaxation
from sparsectl.errors import ConfigError, MissingExtra, NonFiniteError
from sparsectl.mip import Limits, Solution, solve
from sparsectl.mip import relax as relax_module
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.relax import Relaxed, relax
from sparsectl.task import CostConfig, ObservationConfig, Task, TaskConfig, TermConfig
from sparsectl.task.constraints import BoxConfig, Constraints, ConstraintsConfig, KeepOutConfig
from sparsectl.task.cost import ActionCostConfig
from sparsectl.types import Status

SOLVERS = ("clarabel", "highs")
OBSERVATION = np.array([1.0, 0.3, -0.2, 0.1, 0.5, -0.5])
STATE = ControllerState(seed=1)


def task(norm="l1", **constraints) -> Task:
    config = TaskConfig(
        ObservationConfig({"position": "0:2", "velocity": "2:4"}, {"goal": "4:6"}),
        CostConfig(
            [TermConfig("position", "goal", norm, 1.0, 3.0), TermConfig("velocity", 0.0, "linf")],
            ActionCostConfig("l1", 0.01),
        ),
        ConstraintsConfig(**constraints),
    )
    return Task(config, 6, -np.ones(2), np.ones(2))


@pytest.fixture(scope="module")
def program():
    return random_problems.dynamics(np.random.default_rng(0), 4, 2, (5, 5), scale=1.0)


def planner(program, goal=None, horizon=3, **entry) -> Relaxation:
    return build("relaxation", entry, goal or task(), None, program, horizon)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("norm", ["l1", "linf"])
def test_bound_below_and_cost_above_the_exact_optimum(solver, norm):
    loose = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        program = random_problems.dynamics(rng, 4, 2, (5, 4), scale=1.0)
        it, goal = planner(program, task(norm), solver=solver), task(norm)
        problem = goal.problem(OBSERVATION + 0.5 * rng.normal(size=6), 3)
        plan = it.solve(problem, STATE)[0]
        exact = solve(program, problem, limits=Limits(gap=1e-6))
        assert plan.status in (Status.FEASIBLE, Status.OPTIMAL)
        assert plan.bound <= exact.cost + 1e-9
        assert plan.cost >= exact.cost - 1e-5
        np.testing.assert_array_equal(plan.states, program.rollout(problem.x0, plan.actions))
        loose += plan.cost > exact.cost * 1.01
    assert loose >= 2, "where the relaxation is exact this test says little"


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_without_relus_it_is_optimal(toy_factory, norm):
    toy = toy_factory(norm=norm)
    plan = build("relaxation", {}, toy.task, None, toy.program, 5).plan(np.array([1.0, 0.0]))
    assert plan.status is Status.OPTIMAL
    problem = toy.task.problem(np.array([1.0, 0.0]), 5)
    assert plan.cost == pytest.approx(solve(toy.program, problem).cost, rel=2e-4)


@pytest.mark.parametrize("norm", ["l1", "l2sq", "linf"])
def test_bounds_hold_for_every_kind_of_cost_and_constraint(norm):
    """Dead zones, several terms, half-spaces and keep-out regions, against the exact planner."""
    feasible = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        program = random_problems.dynamics(rng, 3, 2, (4,))
        problem = random_problems.problem(rng, 3, 2, 2, norm, constrained=True)
        exact = solve(program, problem, limits=Limits(gap=1e-7))
        model = prepare(OCP(program, problem))
        if isinstance(model, Solution):
            assert exact.status is Status.INFEASIBLE
            continue
        answer = relax(model, "clarabel")
        if answer.status == "infeasible":
            assert exact.status is Status.INFEASIBLE
            continue
        assert answer.bound <= exact.cost + 1e-9
        feasible += exact.status is Status.OPTIMAL
    assert feasible >= 3


def test_another_cost_is_planned_with(program):
    it = planner(program)
    problem = it.task.problem(OBSERVATION, 3)
    heavy = replace(problem, cost=replace(problem.cost, action_weight=5.0))
    plan = it.solve(heavy, STATE)[0]
    assert abs(plan.actions).max() < 1e-3
    assert plan.bound <= solve(program, heavy).cost + 1e-9


@pytest.mark.parametrize("norm", ["l1", "l2sq"])
def test_polishing_never_worsens(program, norm):
    better = 0
    for seed in range(5):
        observation = OBSERVATION * np.random.default_rng(seed).normal(size=6)
        plain = planner(program, task(norm), 4).plan(observation)
        polished = planner(program, task(norm), 4, polish=5).plan(observation)
        assert polished.cost <= plain.cost + 1e-9
        assert polished.info["polish_solves"] >= 1
        better += polished.cost < plain.cost - 1e-4
    assert better >= 1


def test_infeasible_is_named_and_softened_on_request(program):
    goal = task(boxes=[BoxConfig("position", 50.0, 60.0)])
    hard = planner(program, goal, soft_penalty=None).plan(OBSERVATION)
    assert hard.status is Status.INFEASIBLE
    assert "limit" in hard.info["message"]
    soft = planner(program, goal).plan(OBSERVATION)
    assert soft.status.has_plan
    assert soft.bound is None
    assert soft.status is Status.SOFTENED
    assert soft.info["proved_infeasible"]
    assert "limit" in soft.info["softened"]
    assert soft.info["violation"] > 1.0


def test_infeasible_only_together_is_found_by_the_relaxation(program, monkeypatch):
    """Either half-space can hold alone; they exclude each other. A solver's word is no proof."""
    it = planner(program, soft_penalty=None)
    problem = it.task.problem(OBSERVATION, 3)
    reached = program.rollout(problem.x0, np.zeros((3, 2)))[1, :2].sum()
    G = np.array([[1.0, 1.0, 0, 0], [-1.0, -1.0, 0, 0]])
    sides = np.array([reached - 0.05, -reached - 0.05])
    problem = replace(problem, constraints=Constraints(G, sides, (), ("first", "second")))
    plan = it.solve(problem, STATE)[0]
    assert plan.status is Status.INFEASIBLE
    assert "relaxation" in plan.info["message"]
    said = Relaxed("infeasible", None, -np.inf, "infeasible")
    monkeypatch.setattr(relaxation, "relax", lambda *_: said)
    assert it.solve(problem, STATE)[0].status is Status.NO_SOLUTION
    it = planner(program, soft_penalty=10.0)
    plan = it.solve(problem, STATE)[0]
    assert not plan.info.get("proved_infeasible", False)


def test_a_plan_that_violates_when_rolled_out_has_no_bound():
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 4, 2, (5, 5), scale=1.0)
    end = planner(program).plan(OBSERVATION).states[-1, :2]
    around = (*(end - 0.3).tolist(), *(end + 0.3).tolist())
    goal = task(keep_out=[KeepOutConfig("position", box=around)])
    plan = planner(program, goal).plan(OBSERVATION)
    assert plan.info["violation"] > 1e-3
    assert (plan.status, plan.bound) == (Status.HEURISTIC, None)


def _failing(monkeypatch, broken):
    solve_ = cp.Problem.solve

    def patched(self, solver=None, **options):
        if solver in broken:
            raise cp.SolverError(f"{solver} gave up")
        return solve_(self, solver=solver, **options)

    monkeypatch.setattr(cp.Problem, "solve", patched)


def test_where_one_solver_fails_the_other_answers(program, monkeypatch):
    it = planner(program)
    bound = it.plan(OBSERVATION).bound
    _failing(monkeypatch, {cp.CLARABEL})
    plan = it.plan(OBSERVATION)
    assert plan.bound == pytest.approx(bound, abs=1e-5)
    assert "gave up" in plan.info["message"]
    _failing(monkeypatch, {cp.CLARABEL, cp.HIGHS})
    none = it.plan(OBSERVATION)
    assert none.status is Status.FAILED
    assert none.horizon == 0
    acted = Supervised(it, program, SupervisedConfig(budget=0.5)).plan(OBSERVATION)
    assert (acted.fallback, acted.source) == ("failed", "idle")


def test_what_there_is_no_time_for_is_not_begun(program, monkeypatch):
    it = planner(program)
    assert it.plan(OBSERVATION, deadline=time.perf_counter() + 60).status.has_plan
    monkeypatch.setattr(it, "_least", 60.0)  # what bounds and model took before
    plan = it.plan(OBSERVATION, deadline=time.perf_counter() + 1)
    assert plan.status is Status.NO_SOLUTION
    assert "bounds and model alone take about 60 s" in plan.info["message"]
    monkeypatch.setattr(it, "_least", 0.0)
    monkeypatch.setattr(relax_module, "_SETUP", 1.0)  # what a solver takes for a nonzero
    plan = it.plan(OBSERVATION, deadline=time.perf_counter() + 1)
    assert plan.status is Status.NO_SOLUTION
    assert "stating the program alone" in plan.info["message"]
    assert it.plan(OBSERVATION).status.has_plan


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_deadline_that_has_passed_is_an_outcome(program, solver):
    it = planner(program, solver=solver, horizon=8)
    plan = it.plan(OBSERVATION, deadline=time.perf_counter() - 1.0)
    assert plan.status in (Status.NO_SOLUTION, Status.FEASIBLE, Status.HEURISTIC)
    acted = Supervised(it, program, SupervisedConfig(budget=1e-3, margin=1e-4)).plan(OBSERVATION)
    assert acted.status.has_plan


def test_bounds_that_overflow_are_a_failure_not_a_crash():
    rng = np.random.default_rng(0)
    small = random_problems.dynamics(rng, 4, 2, (3,))
    program = replace(small, C=small.C * 1e200)
    with np.errstate(over="ignore", invalid="ignore"):
        plan = planner(program).plan(OBSERVATION)
    assert plan.status is Status.FAILED
    assert "not finite" in plan.info["message"]


def test_missing_solver_names_the_pip_command(program, monkeypatch):
    monkeypatch.setattr(cp, "installed_solvers", lambda: ["CLARABEL"])
    with pytest.raises(MissingExtra, match="pip install highspy"):
        planner(program, solver="highs")


def test_bad_numbers_and_settings_are_refused(program):
    it = planner(program)
    with pytest.raises(NonFiniteError):
        it.plan(np.full(6, np.nan))
    for entry, word in (
        ({"gap": -1.0}, "gap"),
        ({"polish": -1}, "polish"),
        ({"soft_penalty": 0.0}, "soft_penalty"),
        ({"solver": "gurobi"}, "solver"),
        ({"polsh": 1}, "polish"),
    ):
        with pytest.raises(ConfigError, match=word):
            planner(program, **entry)


def test_memory_free_and_repeatable(program):
    it = planner(program)
    action, state = it.predict(OBSERVATION)
    np.testing.assert_array_equal(action, it.predict(OBSERVATION)[0])
    assert state.step == 1
    assert action.shape == (2,)


def test_whose_word_the_bound_is_and_that_a_wrong_one_is_not_believed(program, monkeypatch):
    it = planner(program)
    plan = it.plan(OBSERVATION)
    assert plan.certificate == "weak duality"
    true = relaxation.relax

    def lying(model, solver, seconds=None):
        answer = true(model, solver, seconds)
        return replace(answer, bound=answer.bound + 1e3)

    monkeypatch.setattr(relaxation, "relax", lying)
    wrong = it.plan(OBSERVATION)
    assert (wrong.status, wrong.bound, wrong.certificate) == (Status.HEURISTIC, None, "")
    assert "not believed" in wrong.info["message"]


def test_a_claim_that_there_is_no_plan_is_held_against_plans(program, monkeypatch):
    monkeypatch.setattr(
        relaxation, "relax", lambda *_: Relaxed("infeasible", None, -np.inf, "infeasible")
    )
    for soft in (None, 100.0):
        it = planner(program, task(boxes=[BoxConfig("position", -50.0, 50.0)]), soft_penalty=soft)
        plan = it.plan(OBSERVATION)
        assert (plan.status, plan.bound) == (Status.HEURISTIC, None)
        assert "not believed" in plan.info["message"]
