"""Wide search for starting plans: inside the box, apart, repeatable, better than the idle plan."""

import time

import numpy as np
import random_problems

from sparsectl.mip.search.explore import Exploration, explore

SMALL = Exploration(first=200, samples=100, rounds=4)


def _case(seed=0):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 3, 2, (6, 6), scale=1.0)
    return program, random_problems.problem(rng, 3, 2, 4, "l1", constrained=False)


def _cost(program, problem, actions):
    return float(problem.cost(program.rollout(problem.x0, actions), actions))


def test_plans_are_inside_the_box_apart_and_best_first():
    program, problem = _case()
    plans = explore(program, problem, count=5, settings=SMALL)
    costs = [_cost(program, problem, p) for p in plans]
    half = (problem.u_high - problem.u_low) / 2
    assert 1 < len(plans) <= 5
    assert costs == sorted(costs)
    for i, plan in enumerate(plans):
        assert (plan >= problem.u_low - 1e-12).all()
        assert (plan <= problem.u_high + 1e-12).all()
        for other in plans[:i]:
            assert abs((plan - other) / half).mean() > 0.08
    assert costs[0] < _cost(program, problem, np.zeros((4, 2)))


def test_known_plans_are_never_lost_and_runs_repeat():
    program, problem = _case(1)
    known = explore(program, problem, count=1, settings=SMALL)[0]
    few = Exploration(first=1, samples=20, rounds=2, seed=5)
    again = explore(program, problem, [known], count=1, settings=few)[0]
    assert _cost(program, problem, again) <= _cost(program, problem, known) + 1e-12
    same = explore(program, problem, [known], count=1, settings=few)[0]
    np.testing.assert_array_equal(again, same)


def test_a_deadline_that_has_passed_leaves_the_first_draw():
    program, problem = _case(2)
    late = explore(program, problem, count=1, settings=SMALL, deadline=time.perf_counter() - 1)
    full = explore(program, problem, count=1, settings=SMALL)
    assert _cost(program, problem, late[0]) > _cost(program, problem, full[0])
