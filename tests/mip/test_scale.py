"""Decisions in units of order one: the same plans, costs and limits, whatever the user's units."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import random_problems
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.mip import Limits, solve
from sparsectl.mip.claims import Known, examined
from sparsectl.mip.ocp import OCP
from sparsectl.mip.scale import NEAR_ONE, scaled
from sparsectl.mip.solution import Solution
from sparsectl.program.algebra import from_layers
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem
from sparsectl.types import Status

sys.path.insert(0, str(Path(__file__).parent))
import fuzz


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_costs_states_and_violations_are_the_same(seed, soft):
    item = fuzz.instance(seed)
    ocp = OCP(item.program, item.problem, 3.0 if soft else None)
    own, scaling = scaled(ocp)
    rng, problem = np.random.default_rng(seed), item.problem
    plans = rng.uniform(problem.u_low, problem.u_high, (50, problem.horizon, problem.nu))
    states, mine = ocp.rollout(plans), own.rollout(scaling.actions(plans))
    size = np.ptp(states, axis=(0, 1)) + 1e-9 * abs(states).max((0, 1)) + 1e-300
    back = scaling.x_shift + scaling.x_unit * mine
    np.testing.assert_allclose(back / size, states / size, atol=1e-6, rtol=1e-9)
    np.testing.assert_allclose(scaling.original_actions(scaling.actions(plans)), plans, rtol=1e-9)
    costs = own.problem.cost(mine, scaling.actions(plans)) * scaling.cost_unit
    expected = problem.cost(states, plans)
    np.testing.assert_allclose(costs, expected, rtol=1e-6, atol=1e-7 * abs(expected).max())
    if problem.constraints.G.size:
        unit = item.row_units.max()
        np.testing.assert_allclose(
            own.problem.constraints.violation(mine) / unit,
            problem.constraints.violation(states) / unit, atol=1e-6, rtol=1e-6,
        )  # fmt: skip


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_what_a_solver_sees_is_of_order_one(seed):
    item = fuzz.instance(seed)
    own, _ = scaled(OCP(item.program, item.problem))
    problem = own.problem
    assert abs(problem.u_low).max() <= 2 * NEAR_ONE
    rows = abs(problem.constraints.G).sum(axis=1)
    assert ((rows <= 2 * NEAR_ONE) & (rows >= 0.5 / NEAR_ONE)).all()


def test_units_near_one_are_left_alone():
    program, problem = random_problems.case()
    ocp = OCP(program, problem)
    own, scaling = scaled(ocp)
    assert own is ocp
    assert scaling.identity


@pytest.mark.parametrize("backend", ["scip", "highs"])
@pytest.mark.parametrize(("x_unit", "u_unit", "inner"), [
    (1e5, 1.0, 1.0), (1e-6, 1.0, 1.0), (1e-3, 1e6, 1.0), (1.0, 1.0, 1e-3), (1e4, 1e-5, 1e4),
])  # fmt: skip
def test_a_plan_does_not_depend_on_units(backend, x_unit, u_unit, inner):
    rng = np.random.default_rng(0)
    W, V = rng.normal(size=(6, 4)), rng.normal(size=(2, 6)) / 3
    b, c = rng.normal(size=6) / 2, rng.normal(size=2) / 3
    x0, goal = rng.normal(size=2) / 3, rng.normal(size=2)

    def planned(x_unit, u_unit, inner, norm):
        first = W * inner / np.r_[x_unit, x_unit, u_unit, u_unit]
        program = from_layers([first, V * x_unit / inner], [b * inner, c * x_unit])
        weight = 1.0 / x_unit ** (2 if norm == "l2sq" else 1)
        cost = Cost((Term(np.eye(2), goal * x_unit, norm, weight, 3 * weight),))
        limit = Constraints(np.eye(1, 2), np.array([0.3 * x_unit]), (), ("limit",))
        box = np.full(2, u_unit)
        problem = Problem(x0 * x_unit, cost, limit, -box, box, 2)
        return solve(program, problem, backend=backend, limits=Limits(gap=1e-5)), limit

    for norm in ("l1", "l2sq"):
        plain, _ = planned(1.0, 1.0, 1.0, norm)
        other, limit = planned(x_unit, u_unit, inner, norm)
        assert plain.status is other.status is Status.OPTIMAL, other.message
        assert other.cost == pytest.approx(plain.cost, rel=1e-4)
        assert other.bound <= plain.cost * (1 + 1e-5)
        assert limit.worst(other.states) <= 1e-4 * x_unit


def _claim(**fields):
    program, problem = random_problems.case(hidden=(4,), horizon=2)
    ocp = OCP(program, problem)
    plan = np.zeros((2, 2))
    cost = float(ocp.costs(plan))
    fields = {"status": Status.FEASIBLE, "actions": plan, "states": ocp.rollout(plan)} | fields
    return ocp, Solution(cost=cost, certificate="SCIP", **fields), cost


def test_a_bound_above_a_plan_is_not_believed():
    ocp, solution, cost = _claim(bound=None)
    limits = Limits(gap=1e-3)
    wrong = replace(solution, status=Status.OPTIMAL, bound=cost + 0.1)
    judged = examined(wrong, ocp, limits, Known())
    assert (judged.status, judged.bound, judged.certificate) == (Status.FEASIBLE, None, "")
    assert "SCIP claimed a bound" in judged.message
    close = examined(replace(solution, bound=cost + 1e-8), ocp, limits, Known())
    assert (close.status, close.bound, close.certificate) == (Status.OPTIMAL, cost, "SCIP")


def test_another_plan_refutes_a_proof_and_takes_its_place():
    ocp, solution, cost = _claim(bound=None)
    better = Known(solution.actions, cost - 0.2)
    judged = examined(replace(solution, bound=cost - 1e-9), ocp, Limits(gap=1e-3), better)
    assert judged.status is Status.FEASIBLE
    assert judged.cost == better.cost
    none = replace(solution, status=Status.INFEASIBLE, actions=None, states=None, cost=np.inf)
    judged = examined(none, ocp, Limits(), better)
    assert judged.status is Status.FEASIBLE
    assert "there is no plan" in judged.message


def test_without_a_proof_a_plan_is_not_replaced():
    ocp, solution, cost = _claim(bound=-1e6)
    judged = examined(solution, ocp, Limits(), Known(np.ones((2, 2)), cost - 0.2))
    np.testing.assert_array_equal(judged.actions, solution.actions)
