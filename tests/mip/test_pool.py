"""The pool keeps the best plan by its exact cost, with penalties where constraints are soft."""

import time
from dataclasses import replace

import numpy as np
import pytest
import random_problems

from sparsectl.mip import bound_neurons, convex, encode
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.pool import Pool
from sparsectl.task.constraints import Constraints


def _pool(problem, program, penalty=None):
    bounds = bound_neurons(program, problem, "crown", soft=penalty is not None)
    model = encode(program, problem, bounds, soft_penalty=penalty)
    return Pool(OCP(program, problem, penalty), model, time.perf_counter())


def _case():
    rng = np.random.default_rng(3)
    program = random_problems.dynamics(rng, 3, 1, (4,), scale=1.0)
    return rng, program, random_problems.problem(rng, 3, 1, 3, "l1", constrained=False)


def test_the_best_of_all_offers_is_kept_and_polishing_only_helps():
    rng, program, problem = _case()
    pool = _pool(problem, program)
    costs = [pool.offer(rng.uniform(-1, 1, (3, 1))) for _ in range(6)]
    assert pool.cost == min(costs)
    assert [c for _, c, _ in pool.trace] == sorted((c for _, c, _ in pool.trace), reverse=True)
    before = pool.cost
    assert pool.polish(pool.actions) <= before


def test_violations_are_refused_or_priced():
    rng, program, problem = _case()
    G, h = np.eye(1, 3), problem.x0[:1] - 50.0
    problem = replace(problem, constraints=Constraints(G, h, (), ("limit",)))
    actions = rng.uniform(-1, 1, (3, 1))
    states = program.rollout(problem.x0, actions)
    violation = float(problem.constraints.violation(states))
    assert violation > 1
    soft = _pool(problem, program, penalty=2.0)
    plain = float(problem.cost(states, actions))
    assert soft.offer(actions) == pytest.approx(plain + 2.0 * violation)
    assert soft.actions is not None
    hard = Pool(OCP(program, problem), soft.model, time.perf_counter())
    assert hard.offer(actions) == np.inf
    assert hard.actions is None


def test_no_polishing_passes_the_pools_deadline(monkeypatch):
    """Quadratic programs too, whoever asks for them."""
    rng, program, _ = _case()
    problem = random_problems.problem(rng, 3, 1, 3, "l2sq", constrained=False)
    limits = []

    def record(model, low, high, seconds=None):
        limits.append(seconds)

    monkeypatch.setattr(convex, "minimise", record)
    pool = _pool(problem, program)
    pool.deadline = time.perf_counter() + 60.0
    pool.polish(np.zeros((3, 1)))
    assert limits
    assert all(0 < seconds <= 60.0 for seconds in limits)
    pool.deadline = time.perf_counter() - 1.0
    pool.polish(np.zeros((3, 1)))
    assert len(limits) == 1
