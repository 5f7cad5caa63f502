"""Faces that several keep-outs have in common are one binary in the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from sparsectl.mip import Limits, solve
from sparsectl.mip.backends import highs
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.keep_out import KeepOut

SIDES = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])


def case(seed: int, apart: float = 0.0, horizon: int = 4, priced: bool = False):
    """A point, a wall of two boxes with a doorway, and a goal behind it.

    The second box is moved out of line by `apart`, so that its faces are its own. At prices that
    differ the best plan is often inside; odd seeds have a third box, in line with one of the two.
    """
    rng = np.random.default_rng(seed)
    hinge = rng.normal(size=(1, 5))
    program = ReluProgram(
        4, sp.csr_array(np.c_[hinge[:, :4], 0.0]), np.zeros(1),
        sp.csr_array(np.c_[np.eye(2), 0.3 * np.eye(2), 0.05 * rng.normal(size=(2, 1))]),
        np.zeros(2),
    )  # fmt: skip
    start = np.array([rng.uniform(-0.3, 0.3), -0.3])
    gap, thick, between = rng.uniform(0.02, 0.2), rng.uniform(0.01, 0.1), bool(rng.random() < 0.7)
    target = np.array([rng.uniform(-0.3, 0.3), 0.4])

    def box(x0: float, x1: float, off: float) -> KeepOut:
        b = np.array([x1, -x0, thick + off, -off])
        return KeepOut(np.eye(2), SIDES, b, "wall", between=between)

    regions = (box(-3, -gap, 0.0), box(gap, 3, apart))
    cost = Cost((Term(np.eye(2), target, "l1", 0.3, 1.0),), "l1", 0.01)
    if priced and seed % 2:
        line = replace(regions[1], b=regions[1].b + np.array([0, 0, 0.05, 0.0]))
        regions = (*regions, line) if seed % 4 == 1 else (line, *regions)
    if priced:
        prices = 10.0 ** rng.uniform(-1.5, 0.7, len(regions))
        regions = tuple(replace(r, weight=w) for r, w in zip(regions, prices, strict=True))
    constraints = Constraints(np.zeros((0, 2)), np.zeros(0), regions)
    if priced:
        cost = replace(cost, priced=constraints)
        constraints = Constraints(np.zeros((0, 2)), np.zeros(0))
    return program, Problem(start, cost, constraints, -np.ones(2), np.ones(2), horizon)


@pytest.mark.parametrize("backend", ["scip", "highs"])
@pytest.mark.parametrize("seed", range(8))
def test_the_optimum_is_that_of_faces_of_their_own(seed, backend):
    exact = Limits(gap=1e-8, absolute_gap=1e-8)
    shared = solve(*case(seed), backend=backend, limits=exact)
    own = solve(*case(seed, apart=1e-10), backend=backend, limits=exact)
    assert shared.status is own.status
    assert shared.binaries < own.binaries
    assert shared.cost == pytest.approx(own.cost, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("backend", ["scip", "highs"])
def test_at_a_price_the_optimum_is_that_of_faces_of_their_own(backend):
    fewer = inside = 0
    for seed in range(12):
        exact = Limits(gap=1e-8, absolute_gap=1e-8)
        program, problem = case(seed, horizon=3, priced=True)
        shared = solve(program, problem, backend=backend, limits=exact)
        own = solve(*case(seed, 1e-10, 3, priced=True), backend=backend, limits=exact)
        assert shared.bound == pytest.approx(own.cost, rel=1e-6, abs=1e-6), seed
        assert shared.cost == pytest.approx(own.cost, rel=1e-6, abs=1e-6), seed
        fewer += shared.binaries < own.binaries
        assert problem.cost.priced is not None
        inside += bool(problem.cost.priced.violation(shared.states) > 1e-3)
    assert fewer >= 6
    assert inside >= 3


def test_at_a_price_every_plan_costs_in_the_model_what_it_costs():
    """Its assignment does, and no other one of these actions is cheaper."""
    for seed in range(8):
        program, problem = case(seed, horizon=3, priced=True)
        ocp, rng = OCP(program, problem), np.random.default_rng(seed)
        model = prepare(ocp)
        plans = rng.uniform(problem.u_low, problem.u_high, (400, 3, 2))
        deepest = np.argsort(-problem.cost.priced.violation(ocp.rollout(plans)))
        for plan in (*plans[:20], *plans[deepest[:4]]):
            states = ocp.rollout(plan)
            values, cost = model.assign(states, plan), float(ocp.costs_of(states, plan))
            assert model.violation(values) <= 1e-7
            assert model.objective(values) == pytest.approx(cost, rel=1e-7)
        for plan in plans[deepest[:4]]:
            low, high = model.low.copy(), model.high.copy()
            low[model.u] = high[model.u] = plan
            least = highs.solve(replace(model, low=low, high=high), Limits(gap=1e-8)).bound
            assert least == pytest.approx(float(ocp.costs(plan)), rel=1e-6)


def test_every_plan_that_keeps_out_is_a_point_of_the_model():
    kept = 0
    for seed in range(6):
        program, problem = case(seed)
        ocp, rng = OCP(program, problem), np.random.default_rng(seed)
        model = prepare(ocp)
        for plan in rng.uniform(problem.u_low, problem.u_high, (300, 4, 2)):
            states = ocp.rollout(plan)
            cost = float(ocp.costs_of(states, plan))
            if np.isfinite(cost) and problem.constraints.worst(states) <= 0:
                values = model.assign(states, plan)
                assert model.violation(values) <= 1e-7
                assert model.objective(values) == pytest.approx(cost)
                kept += 1
    assert kept > 50


@pytest.mark.parametrize("first", [0, 1])
def test_no_plan_that_does_not_keep_out_is_a_point_of_the_model(first):
    """Also where one of the regions is not there at one end of a step."""
    refused = 0
    for seed in range(6):
        program, problem = case(seed)
        leaves, stays = problem.constraints.keep_out
        sides = leaves.sides(problem.horizon).copy()
        sides[2] = -np.inf
        regions = (replace(leaves, b=sides), stays)
        constraints = replace(problem.constraints, keep_out=regions[first:] + regions[:first])
        ocp = OCP(program, replace(problem, constraints=constraints))
        model, rng = prepare(ocp), np.random.default_rng(seed)
        for plan in rng.uniform(problem.u_low, problem.u_high, (300, 4, 2)):
            states = ocp.rollout(plan)
            if constraints.worst(states) > 1e-3:
                assert model.violation(model.assign(states, plan)) > 1e-6
                refused += 1
    assert refused > 50
