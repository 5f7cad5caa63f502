"""Regions at a price as shrunk hard ones: the optimum is that of enumeration, bounds are bounds."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.mip import anytime
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.engines import engine
from sparsectl.types import Status

PROBLEMS = 60
"""Random problems a norm, of which about a quarter have regions at a price alone."""


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_the_optimum_is_that_of_enumeration(norm):
    taken = closed = infeasible = 0
    for index in range(PROBLEMS):
        rng = np.random.default_rng([31, len(norm), index])
        nu, hidden = int(rng.integers(1, 3)), [(2,), (3,), (1,)][int(rng.integers(3))]
        horizon = int(rng.integers(1, 4)) if nu * sum(hidden) <= 3 else int(rng.integers(1, 3))
        program = random_problems.dynamics(rng, 2, nu, hidden)
        problem = random_problems.hybrid(rng, 2, nu, horizon, norm)
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
        if found.status is Status.OPTIMAL:
            closed += 1
            assert found.cost == pytest.approx(expected, rel=3e-6, abs=3e-6), index
    assert taken >= 8
    assert closed >= 0.8 * (taken - infeasible)


def test_what_it_cannot_take_is_said():
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 2, 1, (2,))
    problem = random_problems.problem(rng, 2, 1, 2, "l1", constrained=False)
    why = engine("shrunk").unsupported(OCP(program, problem))
    assert why is not None
    assert "no regions at a price" in why
