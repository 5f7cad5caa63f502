"""Regions at a price as shrunk hard ones: the optimum is that of enumeration, bounds are bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.mip import anytime
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.engines import engine
from sparsectl.mip.search.shrunk import kept, shrunk
from sparsectl.task import Problem
from sparsectl.types import Status

PROBLEMS = 80
"""Random problems a norm, of which about a quarter have regions at a price alone."""


def cheap(rng: np.random.Generator, problem: Problem) -> Problem:
    """The same with lower prices, so that the best plan is often inside of a region."""
    priced = problem.cost.priced
    if priced is None:
        return problem
    regions = tuple(
        replace(r, weight=r.weight * 10.0 ** rng.uniform(-2.5, 0)) for r in priced.keep_out
    )
    priced = replace(priced, keep_out=regions)
    return replace(problem, cost=replace(problem.cost, priced=priced))


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_the_optimum_is_that_of_enumeration(norm):
    taken = closed = infeasible = inside = 0
    for index in range(PROBLEMS):
        rng = np.random.default_rng([31, len(norm), index])
        nu, hidden = int(rng.integers(1, 3)), [(2,), (3,), (1,)][int(rng.integers(3))]
        horizon = int(rng.integers(1, 4)) if nu * sum(hidden) <= 3 else int(rng.integers(1, 3))
        program = random_problems.dynamics(rng, 2, nu, hidden)
        problem = cheap(rng, random_problems.hybrid(rng, 2, nu, horizon, norm))
        if engine("shrunk").unsupported(OCP(program, problem)) is not None:
            continue
        taken += 1
        expected = oracle.best_cost(program, problem)
        options = anytime.Options(backend="shrunk", gap=1e-6, soft_penalty=None)
        found = anytime.plan(program, problem, lambda end: [], options)
        if np.isinf(expected):
            assert found.status is Status.INFEASIBLE, index
            infeasible += 1
            continue
        slack = 3e-6 * (1 + abs(expected))
        assert found.cost >= expected - slack, index
        assert found.bound <= expected + slack, index
        assert found.states is not None
        assert problem.cost.priced is not None
        inside += bool(problem.cost.priced.excess(found.states)[:, -1:].any())
        if found.status is Status.OPTIMAL:
            closed += 1
            assert found.cost == pytest.approx(expected, rel=3e-6, abs=3e-6), index
    assert taken >= 8
    assert inside >= 3
    assert closed >= 0.6 * (taken - infeasible)


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_a_plan_keeps_the_regions_that_are_shrunk_by_what_it_pays(norm):
    """Whatever a plan pays, it is feasible in the round that its cost and that bound make."""
    paying = 0
    for index in range(200):
        rng = np.random.default_rng([32, len(norm), index])
        program = random_problems.dynamics(rng, 2, 2, (3,))
        problem = cheap(rng, random_problems.hybrid(rng, 2, 2, int(rng.integers(1, 5)), norm))
        ocp = OCP(program, problem)
        if engine("shrunk").unsupported(ocp) is not None:
            continue
        priced = problem.cost.priced
        assert priced is not None
        shape = (60, problem.horizon, 2)
        plans = problem.admit(rng.uniform(problem.u_low, problem.u_high, shape))
        plans = plans[np.isfinite(ocp.costs(plans))]
        without = replace(problem, cost=replace(problem.cost, priced=None))
        bare = OCP(program, without).costs(plans)
        rows = replace(priced, keep_out=())
        bare = bare + rows.violation(ocp.rollout(plans))
        for plan, cost, least in zip(plans, ocp.costs(plans), bare, strict=True):
            round_ = kept(ocp, shrunk(priced.keep_out, cost - least))
            assert round_.costs(plan[None])[0] <= cost + 1e-9 * (1 + abs(cost)), index
            paying += cost > least * (1 + 1e-6)
    assert paying >= 40


def test_what_it_cannot_take_is_said():
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 2, 1, (2,))
    problem = random_problems.problem(rng, 2, 1, 2, "l1", constrained=False)
    why = engine("shrunk").unsupported(OCP(program, problem))
    assert why is not None
    assert "no regions at a price" in why
