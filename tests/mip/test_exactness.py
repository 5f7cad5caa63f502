"""The optimum equals brute-force enumeration of activation patterns, for both backends."""

import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.mip import Limits, anytime, solve
from sparsectl.types import Status

# (hidden, horizon, programs a norm), at most 10 ReLUs in total: 3 x 108 = 324 programs.
# Twelve: both backends have every bound method twice, with constraints and without.
SIZES = [
    ((3,), 1, 12),
    ((2, 2), 1, 12),
    ((5,), 1, 12),
    ((2,), 2, 12),
    ((3,), 2, 12),
    ((2, 2), 2, 12),
    ((2,), 3, 12),
    ((5, 5), 1, 12),
    ((4,), 2, 4),
    ((3,), 3, 4),
    ((5,), 2, 4),
]
NORMS = ["l1", "linf", "l2sq"]
HYBRIDS = 18
"""Hybrid problems a norm, hard and soft: 108."""


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_enumeration(size, norm):
    """Every bound method in turn; half of the programs are constrained."""
    hidden, horizon, programs = size
    limits = Limits(gap=1e-8, absolute_gap=1e-8, seconds=60.0)
    infeasible = 0
    for index in range(programs):
        rng = np.random.default_rng([SIZES.index(size), NORMS.index(norm), index])
        nx, nu = int(rng.integers(2, 4)), int(rng.integers(1, 3))
        program = random_problems.dynamics(rng, nx, nu, hidden)
        problem = random_problems.problem(rng, nx, nu, horizon, norm, constrained=index % 2 == 1)
        expected = oracle.best_cost(program, problem)
        for backend in ("scip", "highs"):
            bounds = ("interval", "crown", "lp")[index % 3]
            solution = solve(program, problem, backend=backend, bounds=bounds, limits=limits)
            where = f"{backend} {bounds} program {index}: {solution.message}"
            if np.isinf(expected):
                assert solution.status == Status.INFEASIBLE, where
                infeasible += 1
                continue
            assert solution.status == Status.OPTIMAL, where
            assert solution.cost == pytest.approx(expected, rel=1e-6, abs=1e-6), where
            assert solution.claimed_cost == pytest.approx(solution.cost, rel=1e-6, abs=1e-7), where
            assert solution.bound <= expected + 1e-6, where
    assert infeasible < 2 * programs


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("soft", [False, True])
def test_hybrid_problems_equal_enumeration(norm, soft):
    """Levels, rates, blocks, times, prices and segments; patterns, pieces and faces enumerated."""
    limits, penalty = Limits(gap=1e-8, absolute_gap=1e-8, seconds=60.0), 5.0 if soft else None
    infeasible = 0
    for index in range(HYBRIDS):
        rng = np.random.default_rng([9, NORMS.index(norm), soft, index])
        nu, hidden = int(rng.integers(1, 3)), [(2,), (3,), (2, 2), (1,)][int(rng.integers(4))]
        horizon = int(rng.integers(1, 4)) if nu * sum(hidden) <= 3 else int(rng.integers(1, 3))
        program = random_problems.dynamics(rng, 2, nu, hidden)
        problem = random_problems.hybrid(rng, 2, nu, horizon, norm)
        expected = oracle.best_cost(program, problem, penalty=penalty)
        bounds = ("interval", "crown", "lp")[index % 3]
        found = {
            backend: solve(
                program, problem, backend=backend, bounds=bounds, limits=limits,
                soft_penalty=penalty,
            )
            for backend in ("scip", "highs")
        }  # fmt: skip
        options = anytime.Options(gap=1e-7, soft_penalty=penalty)
        found["anytime"] = anytime.plan(program, problem, lambda end: [], options)
        for name, solution in found.items():
            where = f"{name} {bounds} program {index}: {solution.message}"
            if np.isinf(expected):
                assert solution.status == Status.INFEASIBLE, where
                infeasible += 1
                continue
            assert solution.status == Status.OPTIMAL, where
            assert solution.cost == pytest.approx(expected, rel=2e-6, abs=2e-6), where
            assert solution.bound <= expected + 2e-6 * (1 + abs(expected)), where
    assert infeasible < 2 * HYBRIDS
    assert soft or infeasible > 0
