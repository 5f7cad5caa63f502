"""Anytime planning: never worse than a candidate, deadlines, bounds that are always there."""

import time

import numpy as np
import pytest
import random_problems

from sparsectl.mip import anytime, bound_neurons, encode
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.polish import Polisher
from sparsectl.types import Status


def _case(seed=0, hidden=(8, 8), horizon=5):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 4, 2, hidden, scale=1.0)
    return rng, program, random_problems.problem(rng, 4, 2, horizon, "l1", constrained=False)


def _cost(program, problem, actions):
    return float(problem.cost(program.rollout(problem.x0, actions), actions))


@pytest.mark.parametrize("backend", ["auto", "scip", "highs"])
@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_never_worse_than_its_candidates(backend, seconds):
    rng, program, problem = _case()
    plans = [rng.uniform(-1, 1, (5, 2)) for _ in range(4)]
    deadline = time.perf_counter() + seconds
    options = anytime.Options(backend=backend)
    solution = anytime.plan(program, problem, lambda end: plans, options, deadline)
    assert solution.status in (Status.FEASIBLE, Status.OPTIMAL)
    assert solution.cost <= min(_cost(program, problem, p) for p in plans) + 1e-12
    assert solution.cost == pytest.approx(_cost(program, problem, solution.actions))
    assert solution.bound is not None
    assert solution.bound <= solution.cost + 1e-9


def test_without_candidates_and_time_there_is_no_plan_but_a_bound():
    _, program, problem = _case()
    solution = anytime.plan(program, problem, lambda end: [], None, time.perf_counter())
    assert solution.status == Status.NO_SOLUTION
    assert solution.actions is None
    assert np.isfinite(solution.bound)


def test_soft_constraints_give_a_plan_where_hard_ones_cannot_hold():
    from dataclasses import replace

    from sparsectl.task.constraints import Constraints

    rng, program, problem = _case(hidden=(4,), horizon=2)
    G, h = np.eye(1, 4), problem.x0[:1] - 50.0
    problem = replace(problem, constraints=Constraints(G, h, (), ("limit",)))
    plans = [rng.uniform(-1, 1, (2, 2))]
    hard = anytime.plan(program, problem, lambda end: plans)
    assert hard.status == Status.INFEASIBLE
    soft = anytime.plan(program, problem, lambda end: plans, anytime.Options(soft_penalty=5.0))
    assert soft.status == Status.OPTIMAL
    plain = _cost(program, problem, soft.actions)
    violation = float(problem.constraints.violation(soft.states))
    assert soft.cost == pytest.approx(plain + 5.0 * violation)


def test_trace_falls_and_rises():
    rng, program, problem = _case(hidden=(6, 6))
    plans = [rng.uniform(-1, 1, (5, 2)) for _ in range(3)]
    solution = anytime.plan(program, problem, lambda end: plans, anytime.Options(gap=1e-3))
    times, costs, _ = zip(*solution.trace, strict=True)
    assert list(times) == sorted(times)
    assert min(costs) >= solution.cost - 1e-6


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_polishing_reaches_a_pattern_optimum_and_never_worsens(norm):
    rng = np.random.default_rng(1)
    program = random_problems.dynamics(rng, 3, 1, (5, 5), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 4, norm, constrained=False)
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    polisher = Polisher(OCP(program, problem), model)
    improved = 0
    for _ in range(10):
        actions = rng.uniform(-1, 1, (4, 1))
        before = _cost(program, problem, actions)
        polished = polisher(actions, passes=5)
        assert polished.cost <= before + 1e-12
        assert polished.cost == pytest.approx(_cost(program, problem, polished.actions))
        assert (abs(polished.actions) <= 1 + 1e-12).all()
        improved += polished.cost < before - 1e-6
    assert improved >= 5
