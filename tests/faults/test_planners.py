"""Whole planners under faults: what solvers, limits and inputs may do, and what acts then.

Numbers of the faults are those of the project's reliability table; `test_mip.py` has the solvers'
own outcomes, `test_controllers.py` and `control/test_supervised.py` the fallbacks.
"""

import dataclasses
import time

import numpy as np
import parallel_units
import pytest
import random_problems
import torch

from sparsectl import parallel
from sparsectl.control import ControllerState, Supervised, SupervisedConfig, build
from sparsectl.dynamics import MLPConfig
from sparsectl.dynamics import build as build_dynamics
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError, NonFiniteError, SparsectlError
from sparsectl.mip import Limits, anytime, bound_neurons, encode, solve, start_box
from sparsectl.mip.backends import scip
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.search.solver import conclude
from sparsectl.program.bounds import propagate
from sparsectl.task import Task, TaskConfig, TermConfig
from sparsectl.task.constraints import BoxConfig, Constraints, ConstraintsConfig
from sparsectl.task.cost import CostConfig
from sparsectl.types import Status

BACKENDS = ("scip", "highs")
OBSERVATION = np.array([1.0, 0.3, -0.2, 0.1])


def _limited(problem, low, high):
    """Hard limits of all states."""
    n = problem.nx
    G, h = np.vstack([np.eye(n), -np.eye(n)]), np.concatenate([np.full(n, high), np.full(n, -low)])
    labels = tuple(f"limit {i}" for i in range(2 * n))
    return dataclasses.replace(problem, constraints=Constraints(G, h, (), labels))


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    names = {"position": slice(0, 2), "velocity": slice(2, 4)}
    dynamics = build_dynamics(MLPConfig(hidden=(6, 6)), names, 4, 2, seed=3)
    return dynamics, lower(dynamics)


def _controller(parts, kind="mip", horizon=4, **entry):
    constraints = ConstraintsConfig(entry.pop("boxes", []))
    config = TaskConfig(
        cost=CostConfig([TermConfig("observation", [0.5, -0.5, 0.0, 0.0], "l1", 1.0, 3.0)]),
        constraints=constraints,
    )
    task = Task(config, 4, -np.ones(2), np.ones(2))
    return build("it", {"kind": kind, **entry}, task, *parts, horizon, "cpu")


# 1: limits without any solution.


@pytest.mark.parametrize("limits", [Limits(seconds=0.0), Limits(seconds=0.0, nodes=1)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_limit_without_solution_leaves_no_made_up_plan(backend, limits):
    """PySCIPOpt reads 0.0 for every variable then: a plan of zeros that nobody found."""
    program, problem = random_problems.case(hidden=(12, 12), horizon=6)
    solution = solve(program, problem, backend=backend, limits=limits)
    assert solution.status is Status.NO_SOLUTION
    assert (solution.actions, solution.states) == (None, None)
    assert solution.bound is None or np.isfinite(solution.bound)


@pytest.mark.parametrize("backend", ["auto", "hull", "scip", "highs"])
def test_near_zero_time_gives_a_plan_from_the_candidates(backend):
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 3, 1, (4, 6), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 4, "l1", constrained=False)
    cost = dataclasses.replace(problem.cost, action_norm="l1")
    problem = dataclasses.replace(problem, cost=cost)
    plans = [np.zeros((4, 1))]
    for seconds in (-1.0, 0.0, 1e-6, 1e-3):
        end = time.perf_counter() + seconds
        solution = anytime.plan(
            program, problem, lambda _: plans, anytime.Options(backend=backend), end
        )
        assert solution.status.has_plan
        assert np.isfinite(solution.bound)
        assert solution.bound <= solution.cost + 1e-9


@pytest.mark.parametrize("kind", ["mip", "relaxation", "mppi", "cem", "gradient"])
def test_every_planner_acts_within_a_hopeless_budget(parts, kind):
    it = _controller(parts, kind)
    limits = SupervisedConfig(budget=1e-4, margin=1e-5, sampler_budget=0.0)
    plan = Supervised(it, parts[1], limits).plan(OBSERVATION)
    assert plan.status.has_plan
    assert np.isfinite(plan.actions).all()
    assert plan.info["overrun"] > 0


# 2: limits with an incumbent.


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wide_gap_counts_as_solved_and_the_true_gap_is_said(backend):
    program, problem = random_problems.case(hidden=(8, 8))
    start = np.zeros((3, 2))
    solution = solve(program, problem, backend=backend, limits=Limits(gap=0.9), starts=[start])
    exact = solve(program, problem, limits=Limits(gap=1e-6))
    assert solution.status is Status.OPTIMAL
    assert solution.gap <= 0.9 + 1e-6
    assert solution.bound <= exact.cost + 1e-6 <= solution.cost + 2e-6


def test_out_of_memory_inside_the_solver_keeps_the_incumbent():
    program, problem = random_problems.case(hidden=(16, 16), horizon=6)
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    actions = np.zeros((6, 2))
    values = model.assign(program.rollout(problem.x0, actions), actions)
    raw = scip.solve(model, Limits(), [values], scip.SCIPOptions({"limits/memory": 1.0}))
    assert "mem" in raw.message
    solution = conclude(OCP(program, problem), model, raw, Limits())
    assert solution.status is Status.FEASIBLE
    assert solution.cost <= float(problem.cost(solution.states, solution.actions)) + 1e-9


# 3: infeasible, unbounded.


@pytest.mark.parametrize("bounds", ["interval", "crown", "lp"])
def test_a_start_outside_the_limits_is_no_contradiction(bounds):
    """Limits hold from the first planned step on: the start itself may lie outside."""
    program, problem = random_problems.case(hidden=(3,), horizon=2)
    following = program.rollout(problem.x0, np.zeros((2, 2)))[1:]
    inside = _limited(problem, following.min() - 0.01, following.max() + 0.01)
    outside = dataclasses.replace(inside, x0=problem.x0)
    solution = solve(program, outside, bounds=bounds)
    assert solution.status is Status.OPTIMAL
    assert float(outside.constraints.violation(solution.states)) <= 1e-6


def test_bounds_by_linear_programs_keep_the_deadline():
    """Two programs for every neuron that may be on or off, of which there are a thousand here."""
    program, problem = random_problems.case(hidden=(96, 96), horizon=6)
    started = time.perf_counter()
    options = anytime.Options(bounds="lp")
    anytime.plan(program, problem, lambda _: [np.zeros((6, 2))], options, started + 0.3)
    assert time.perf_counter() - started < 5


def test_a_start_that_cannot_get_inside_is_infeasible_by_name(parts):
    it = _controller(parts, soft_penalty=None, boxes=[BoxConfig("observation", -0.1, 0.1)])
    plan = it.plan(np.full(4, 40.0))
    assert plan.status is Status.INFEASIBLE
    assert "limit" in plan.info["message"]
    acted = Supervised(it, parts[1], SupervisedConfig(budget=0.5)).plan(np.full(4, 40.0))
    assert (acted.fallback, acted.source) == ("infeasible", "idle")


@pytest.mark.parametrize("name", ["u_low", "u_high"])
def test_an_unbounded_action_box_is_refused_before_it_is_an_unbounded_program(name):
    program, problem = random_problems.case(hidden=(3,), horizon=1)
    sign = {"u_low": -1, "u_high": 1}[name]
    wide = dataclasses.replace(problem, **{name: np.full(2, sign * np.inf)})
    for attempt in (
        lambda: solve(program, wide),
        lambda: anytime.plan(program, wide, lambda _: []),
        lambda: propagate(program, start_box(wide), 1),
    ):
        with pytest.raises(NonFiniteError):
            attempt()


# 4: NaN and infinity.


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["matrix", "weight", "terminal", "dead_zone", "G", "h"])
def test_bad_coefficients_of_costs_and_constraints_never_reach_a_solver(where, value):
    program, problem = random_problems.case(hidden=(3,), horizon=1)
    problem = _limited(problem, -9.0, 9.0)
    if where in ("G", "h"):
        broken = np.full_like(getattr(problem.constraints, where), value)
        limits = dataclasses.replace(problem.constraints, **{where: broken})
        problem = dataclasses.replace(problem, constraints=limits)
    else:
        term = problem.cost.terms[0]
        change = {
            "matrix": {"E": np.full_like(term.E, value)},
            "weight": {"weight": value},
            "terminal": {"terminal_weight": value},
            "dead_zone": {"dead_zone": value},
        }[where]
        cost = dataclasses.replace(problem.cost, terms=(dataclasses.replace(term, **change),))
        problem = dataclasses.replace(problem, cost=cost)
    for planner in (solve, lambda p, q: anytime.plan(p, q, lambda _: [])):
        with pytest.raises(NonFiniteError):
            planner(program, problem)


@pytest.mark.parametrize("kind", ["mip", "relaxation"])
def test_a_bad_observation_is_refused_or_survived_as_configured(parts, kind):
    it = _controller(parts, kind)
    broken = OBSERVATION * [1, np.nan, 1, 1]
    with pytest.raises(NonFiniteError, match="index"):
        it.plan(broken)
    survive = SupervisedConfig(budget=0.2, on_bad_observation="fallback")
    plan = Supervised(it, parts[1], survive).plan(broken)
    assert plan.fallback is not None
    assert np.isfinite(plan.actions).all()


# 6: solvers that are re-used, shared or die.


@pytest.mark.parametrize("backend", [*BACKENDS, "auto"])
def test_solves_do_not_remember_each_other(backend):
    size = {"hidden": (4,), "horizon": 2} if backend == "auto" else {}
    first, second = random_problems.case(0, **size), random_problems.case(1, **size)

    def answer(case):
        if backend == "auto":
            options = anytime.Options(gap=1e-6)
            return anytime.plan(*case, lambda _: [np.zeros((case[1].horizon, 2))], options)
        return solve(*case, backend=backend, limits=Limits(gap=1e-6))

    alone = answer(first)
    answer(second)
    solve(*random_problems.case(2), backend=BACKENDS[0], limits=Limits(seconds=0.0))
    again = answer(first)
    np.testing.assert_array_equal(alone.actions, again.actions)
    assert (alone.cost, alone.bound) == (again.cost, again.bound)


def test_a_solver_that_crashes_costs_only_its_unit():
    outcomes = parallel.run(parallel_units.solver_dies_at_0, [0, 1, 2], engine="process", workers=1)
    assert outcomes[0].error is not None
    assert [o.error for o in outcomes[1:]] == [None, None]
    assert np.isfinite([o.value for o in outcomes[1:]]).all()


# 7: repeated failures.


def test_a_planner_that_fails_again_and_again_stays_safe_and_recovers(parts):
    it = _controller(parts, soft_penalty=None, boxes=[BoxConfig("observation", -3.0, 3.0)])
    limits = SupervisedConfig(budget=0.3, drop_after=2, terminate_after=3)
    guarded, state = Supervised(it, parts[1], limits), ControllerState(seed=1)
    for k in range(3):
        plan, state = guarded.decide(np.full(4, 40.0), state)
        assert plan.fallback == "infeasible"
        assert plan.info["terminate"] == (k == 2)
    plan, state = guarded.decide(OBSERVATION, state)
    assert plan.fallback is None
    assert state.failures == 0


# Polishing, in the same spirit.


def test_polishing_a_plan_outside_the_constraints_does_not_crash_or_claim():
    program, problem = random_problems.case(0, hidden=(4,), horizon=2)
    states = program.rollout(problem.x0, np.zeros((2, 2)))
    tight = _limited(problem, states[1:].min() - 0.05, states[1:].max() + 0.05)
    model = encode(program, tight, bound_neurons(program, tight, "crown"))
    polished = Polisher(OCP(program, tight), model)(np.ones((2, 2)), passes=3)
    rolled = program.rollout(tight.x0, polished.actions)
    if np.isfinite(polished.cost):
        assert float(tight.constraints.violation(rolled)) <= 1e-6
    late = Polisher(OCP(program, tight), model)(np.zeros((2, 2)), deadline=time.perf_counter() - 1)
    assert late.solves == 0


# Options and missing parts.


def test_names_of_engines_bounds_and_candidates_are_checked(parts):
    for entry, word in (
        ({"backend": "gurobi"}, "backend"),
        ({"bounds": "crwn"}, "bounds"),
        ({"starts": ["cen"]}, "cem"),
        ({"seconds": 0.0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"nodes": 0}, "node"),
    ):
        with pytest.raises(ConfigError, match=word):
            _controller(parts, **entry).plan(OBSERVATION)


def test_a_nan_action_weight_is_refused():
    program, problem = random_problems.case(hidden=(3,), horizon=1)
    cost = dataclasses.replace(problem.cost, action_weight=np.nan)
    with pytest.raises(SparsectlError):
        solve(program, dataclasses.replace(problem, cost=cost))


# 25: the first decision.


def test_the_first_decision_counts_everything_that_it_took(parts):
    controller, started = _controller(parts, "relaxation"), time.perf_counter()
    plan = controller.plan(OBSERVATION)
    took = time.perf_counter() - started
    assert took / 2 < plan.seconds <= took
