"""numpy, torch and the mixed-integer model read a hybrid problem alike."""

from __future__ import annotations

import numpy as np
import pytest
import random_problems
import torch

from sparsectl.mip.encode import encode, start_box
from sparsectl.mip.inputs import reach
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import bound_neurons, prepare
from sparsectl.mip.scale import random_plans, scaled
from sparsectl.program.bounds import Box, propagate
from sparsectl.task import Constraints, Cost, Inputs, Problem

SEEDS, PENALTY = range(60), 3.0


def case(seed: int):
    rng = np.random.default_rng([3, seed])
    nu, horizon = int(rng.integers(1, 3)), int(rng.integers(1, 5))
    program = random_problems.dynamics(rng, 2, nu, (4,))
    norm = ("l1", "linf", "l2sq")[seed % 3]
    problem = random_problems.hybrid(rng, 2, nu, horizon, norm)
    hard = random_problems.limits(rng, problem.x0, 2)
    if horizon == 2 and rng.random() < 0.5:
        problem = random_problems.replace(problem, constraints=hard)
    return program, problem, random_plans(problem)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_keeps_the_rows_where_it_keeps_the_constraints(seed):
    program, problem, plans = case(seed)
    states = program.rollout(problem.x0, plans)
    assert (problem.inputs is None) or (problem.inputs.excess(plans) <= 1e-9).all()
    worst = problem.constraints.worst(states)
    model = prepare(OCP(program, problem), ("crown", "interval", "lp")[seed % 3])
    if not isinstance(model, MIPModel):
        assert (worst > 0).all()
        return
    for x, u, by in zip(states, plans, worst, strict=True):
        values = model.assign(x, u)
        if by == 0:
            assert model.violation(values) <= 1e-6
            assert model.objective(values) == pytest.approx(problem.cost(x, u), rel=1e-9, abs=1e-9)
        elif by > 1e-5:
            assert model.violation(values) > 1e-7


@pytest.mark.parametrize("seed", SEEDS)
def test_a_soft_plan_keeps_the_rows_and_costs_its_violations(seed):
    program, problem, plans = case(seed)
    states = program.rollout(problem.x0, plans)
    model = prepare(OCP(program, problem, PENALTY), ("crown", "interval")[seed % 2])
    costs = problem.cost(states, plans) + PENALTY * problem.constraints.violation(states)
    for x, u, cost in zip(states, plans, costs, strict=True):
        values = model.assign(x, u)
        assert model.violation(values) <= 1e-6
        assert model.objective(values) == pytest.approx(cost, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_numpy_and_torch_agree(seed):
    program, problem, plans = case(seed)
    states = program.rollout(problem.x0, plans)
    x, u = torch.from_numpy(states), torch.from_numpy(plans)
    np.testing.assert_allclose(problem.cost(x, u).numpy(), problem.cost(states, plans), rtol=1e-12)
    both = problem.constraints.violation(x).numpy(), problem.constraints.violation(states)
    np.testing.assert_allclose(*both, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(problem.admit(u).numpy(), plans, atol=1e-12)
    x.requires_grad_()
    total = problem.cost(x, u).sum() + problem.constraints.violation(x).sum()
    if total.requires_grad:
        (gradient,) = torch.autograd.grad(total, x, allow_unused=True)
        assert gradient is None or torch.isfinite(gradient).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_scaled_problem_is_the_same_problem(seed):
    """In odd units costs, violations and rules change by their units only."""
    program, problem, plans = case(seed)
    rng = np.random.default_rng(seed)
    sx, su = 10.0 ** rng.uniform(-6, 6, problem.nx), 10.0 ** rng.uniform(-6, 6, problem.nu)
    if problem.constraints.keep_out or problem.cost.priced is not None:
        sx[:] = sx[0]
    program, problem = random_problems.in_units(program, problem, sx, su)
    plans = plans * su
    own, scaling = scaled(OCP(program, problem, 2.0))
    actions = scaling.actions(plans)
    states, inner = program.rollout(problem.x0, plans), own.rollout(actions)
    unit = scaling.cost_unit
    expected = problem.cost(states, plans)
    size = abs(expected).max()
    np.testing.assert_allclose(
        unit * own.problem.cost(inner, actions), expected, rtol=1e-7, atol=1e-9 * size
    )
    expected = problem.constraints.violation(states) * 2.0
    found = unit * own.penalty * own.problem.constraints.violation(inner)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8 * abs(expected).max())
    if problem.inputs is not None:
        assert (own.problem.inputs.excess(actions) <= 1e-9).all()
    assert scaling.identity or abs(inner).max() < 1e6


def _plain(inputs: Inputs, horizon: int) -> Problem:
    nothing = Constraints(np.zeros((0, 1)), np.zeros(0))
    low, high = (np.array([p.flat[k] for p in inputs.pieces]) for k in (0, -1))
    return Problem(np.zeros(1), Cost(()), nothing, low, high, horizon, inputs=inputs)


def test_rates_bound_the_actions_from_the_one_applied_last():
    box, half = np.array([[-1.0, 1.0]]), np.array([[0.0, 0.5]])
    inputs = Inputs((box, half), np.array([0.3, np.inf]), np.array([0.2, 0.1]), (2, 1, 2))
    low, high = reach(inputs, np.array([-1.0, 0.0]), np.array([1.0, 0.5]), 5)
    np.testing.assert_allclose(low[:, 0], [-0.1, -0.1, -0.4, -0.7, -0.7], atol=1e-8)
    np.testing.assert_allclose(high[:, 0], [0.5, 0.5, 0.8, 1.0, 1.0], atol=1e-8)
    np.testing.assert_array_equal(low[:, 1], 0.0)
    np.testing.assert_array_equal(high[:, 1], 0.5)


def test_a_last_action_at_the_border_of_what_is_in_reach_leaves_an_action():
    """A limit rounded to below the box was an empty box, and an error."""
    inputs = Inputs((np.array([[-1.0, 1.0]]),), np.array([0.1]), np.array([1.1 + 1e-12]))
    low, high = reach(inputs, -np.ones(1), np.ones(1), 2)
    assert (low <= high).all()
    np.testing.assert_allclose(high[:, 0], 1.0)
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 1, 1, (2,))
    problem = _plain(inputs, 2)
    bounds = bound_neurons(program, problem, "crown")
    assert encode(program, problem, bounds).infeasible is None


def test_bounds_that_know_nothing_of_the_last_action_leave_its_rate():
    inputs = Inputs((np.array([[-1.0, 1.0]]),), np.array([0.1]), np.array([0.5]))
    program, problem = random_problems.dynamics(np.random.default_rng(0), 1, 1, (2,)), None
    problem = _plain(inputs, 2)
    free = np.full(1, np.inf)
    box = Box(problem.x0, problem.x0, problem.u_low, problem.u_high, -free, free)
    model = encode(program, problem, propagate(program, box, 2))
    np.testing.assert_allclose(model.low[model.u[0]], 0.4)
    np.testing.assert_allclose(model.high[model.u[0]], 0.6)
    assert start_box(problem).u_low[0, 0] == pytest.approx(0.4)
