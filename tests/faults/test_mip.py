"""Solver outcomes are values: limits, infeasibility, bad numbers, plans that do not reproduce."""

import dataclasses

import numpy as np
import pytest
import random_problems

from sparsectl.errors import ConfigError, NonFiniteError
from sparsectl.mip import Limits, RawSolution, anytime, bound_neurons, encode, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.solver import conclude
from sparsectl.program.algebra import affine
from sparsectl.task import Inputs
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem
from sparsectl.types import Status

BACKENDS = ("scip", "highs")


def _hard(seed=0, hidden=(12, 12), horizon=6):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 4, 2, hidden, scale=1.5)
    return program, random_problems.problem(rng, 4, 2, horizon, "l1", constrained=False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_time_and_no_start_is_no_solution(backend):
    program, problem = _hard()
    solution = solve(program, problem, backend=backend, limits=Limits(seconds=0.0))
    assert solution.status == Status.NO_SOLUTION
    assert solution.actions is None
    assert solution.cost == np.inf
    assert "start" in solution.status.advice


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_start_survives_a_limit_and_is_never_made_worse(backend):
    program, problem = _hard()
    start = np.random.default_rng(1).uniform(-1, 1, (problem.horizon, 2))
    own = float(problem.cost(program.rollout(problem.x0, start), start))
    solution = solve(program, problem, backend=backend, starts=[start], limits=Limits(nodes=1))
    assert solution.status in (Status.FEASIBLE, Status.OPTIMAL)
    assert solution.cost <= own + 1e-9
    assert solution.bound is None or solution.bound <= solution.cost + 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bounds", ["interval", "crown", "lp"])
def test_infeasible_names_the_constraint(backend, bounds):
    program, problem = _hard(horizon=2)
    G, h = np.eye(1, 4), np.array([problem.x0[0] - 50.0])
    problem = dataclasses.replace(
        problem, constraints=Constraints(G, h, (), ("high limit of 'x'",))
    )
    solution = solve(program, problem, backend=backend, bounds=bounds)
    assert solution.status == Status.INFEASIBLE
    assert "high limit of 'x'" in solution.message


@pytest.mark.parametrize("backend", BACKENDS)
def test_infeasible_problem_has_a_soft_answer(backend):
    program, problem = _hard(hidden=(4,), horizon=2)
    G, h = np.eye(1, 4), np.array([problem.x0[0] - 50.0])
    problem = dataclasses.replace(problem, constraints=Constraints(G, h, (), ("limit",)))
    solution = solve(program, problem, backend=backend, soft_penalty=10.0)
    assert solution.status == Status.OPTIMAL
    violation = float(problem.constraints.violation(solution.states))
    plain = float(problem.cost(solution.states, solution.actions))
    assert solution.cost == pytest.approx(plain + 10.0 * violation)


@pytest.mark.parametrize("what", ["x0", "u_high", "target"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_numbers_never_reach_a_solver(what, value):
    program, problem = _hard(hidden=(3,), horizon=1)
    if what == "target":
        term = dataclasses.replace(problem.cost.terms[0])
        target = np.full_like(term.target, value)
        terms = (dataclasses.replace(term, target=target),)
        problem = dataclasses.replace(problem, cost=dataclasses.replace(problem.cost, terms=terms))
    else:
        problem = dataclasses.replace(
            problem, **{what: np.full_like(getattr(problem, what), value)}
        )
    with pytest.raises(NonFiniteError):
        solve(program, problem)


def test_infinite_neuron_bound_is_named():
    program, problem = _hard(hidden=(3,), horizon=2)
    bounds = bound_neurons(program, problem, "crown")
    high = bounds.pre_high.copy()
    high[1, 2] = np.inf
    with pytest.raises(NonFiniteError, match=r"pre_high\[1, 2\]"):
        encode(program, problem, dataclasses.replace(bounds, pre_high=high))


def test_a_plan_that_the_program_does_not_reproduce_is_not_proved():
    """A solver that claims a cost which the exact rollout does not have."""
    program, problem = _hard(hidden=(3,), horizon=2)
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    actions = np.zeros((2, 2))
    values = model.assign(program.rollout(problem.x0, actions), actions)
    cost = model.objective(values)
    lying = values.copy()
    lying[model.c != 0] *= 0.5
    raw = RawSolution(lying, bound=-1.0, message="made up")
    solution = conclude(OCP(program, problem), model, raw, Limits())
    assert solution.status == Status.FEASIBLE
    assert solution.cost == pytest.approx(cost)
    assert "claimed" in solution.message


def test_a_plan_that_violates_its_constraints_is_rejected():
    program, problem = _hard(hidden=(3,), horizon=1)
    states = program.rollout(problem.x0, np.zeros((1, 2)))
    G, h = np.eye(1, 4), np.array([states[1, 0] + 1e-3])
    problem = dataclasses.replace(problem, constraints=Constraints(G, h, (), ("limit",)))
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    values = model.assign(states, np.zeros((1, 2)))
    tight = Constraints(G, h - 2e-3, (), ("limit",))
    harder = dataclasses.replace(problem, constraints=tight)
    solution = conclude(OCP(program, harder), model, RawSolution(values, bound=-1.0), Limits())
    assert solution.status == Status.NO_SOLUTION
    assert "violates" in solution.message


def test_a_complete_start_satisfies_every_row():
    program, problem = _hard()
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    actions = np.random.default_rng(0).uniform(-1, 1, (problem.horizon, 2))
    states = program.rollout(problem.x0, actions)
    values = model.assign(states, actions)
    assert model.violation(values) < 1e-9
    assert model.objective(values) == pytest.approx(float(problem.cost(states, actions)))


def test_no_relu_left_means_no_binary():
    from sparsectl.program import algebra

    program = algebra.affine(np.eye(2, 3), np.ones(2))
    rng = np.random.default_rng(0)
    problem = random_problems.problem(rng, 2, 1, 3, "l1", constrained=False)
    solution = solve(program, problem)
    assert solution.binaries == 0
    assert solution.status == Status.OPTIMAL


def test_bad_options_are_named():
    program, problem = _hard(hidden=(3,), horizon=1)
    with pytest.raises(ConfigError, match="scip"):
        solve(program, problem, backend="scipp")
    with pytest.raises(ConfigError, match="seconds is -1"):
        Limits(seconds=-1.0)
    with pytest.raises(ConfigError, match="node limit"):
        Limits(nodes=0)


def test_a_plan_that_rounding_moves_to_another_level_is_not_called_optimal():
    """A level out of reach by a rounding error counts as kept, and is not what is applied."""
    levels = np.linspace(-1, 1, 21)
    rules = Inputs((np.stack([levels, levels], 1),), np.array([0.1]), np.array([0.4 + 1e-8]))
    cost = Cost((Term(np.eye(1), np.zeros(1), "l1", 1.0, 1.0),))
    none = Constraints(np.zeros((0, 1)), np.zeros(0))
    problem = Problem(np.zeros(1), cost, none, -np.ones(1), np.ones(1), 2, inputs=rules)
    program = affine(np.array([[0.0, 1.0]]), np.zeros(1))
    found = anytime.plan(program, problem, lambda _: [])
    assert found.cost == pytest.approx(float(cost(found.states, found.actions)))
    assert found.status is not Status.OPTIMAL or found.bound == pytest.approx(found.cost)
    assert found.bound <= found.cost
