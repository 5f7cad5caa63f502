"""Wide search for starting plans: inside the box, apart, repeatable, better than the idle plan."""

import itertools
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import random_problems

from sparsectl.mip.search.explore import Exploration, explore
from sparsectl.task import ActionConfig
from sparsectl.task.action import bind, lengths

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


def test_a_round_is_cut_short_by_the_clock():
    """3,000 plans over 30 steps were scored at once, 17 ms past the end."""
    program, problem = _case(2)
    scored: list[int] = []

    def rollout(x0, plans):
        scored.append(len(plans))
        return program.rollout(x0, plans)

    counted = SimpleNamespace(rollout=rollout)
    assert explore(counted, problem, deadline=time.perf_counter() - 1)
    assert scored == [256]
    explore(counted, problem, deadline=time.perf_counter() + 600)
    assert max(scored) == 256
    assert sum(scored) > 3000 + 8 * 800


@pytest.mark.parametrize(
    "rules",
    [
        {"levels": [-0.4, 0.0, 0.3]},
        {"semicontinuous": 0.2, "rate": 0.3},
        {"levels": [[-0.4, 0.3], None], "blocks": [1, 3]},
        {"rate": [0.1, None], "blocks": 2},
    ],
)
def test_plans_keep_the_rules_for_actions(rules):
    program, problem = _case(3)
    inputs = bind(ActionConfig(**rules), problem.u_low, problem.u_high)
    inputs = replace(inputs, blocks=lengths(ActionConfig(**rules), 4), last=np.array([0.0, 0.0]))
    hybrid = replace(problem, inputs=inputs)
    plans = explore(program, hybrid, count=5, settings=SMALL)
    assert max(float(inputs.excess(p)) for p in plans) <= 1e-9
    costs = [_cost(program, hybrid, p) for p in plans]
    assert costs == sorted(costs)
    assert costs[0] <= _cost(program, hybrid, hybrid.admit(np.zeros((4, 2))))


def test_levels_are_searched_to_the_optimum():
    program, problem = _case(4)
    levels = [-0.4, 0.0, 0.3]
    inputs = bind(ActionConfig(levels=levels), problem.u_low, problem.u_high)
    hybrid = replace(problem, inputs=inputs)
    every = np.array(list(itertools.product(levels, repeat=8))).reshape(-1, 4, 2)
    best = problem.cost(program.rollout(problem.x0, every), every).min()
    found = explore(program, hybrid, count=1)[0]
    assert _cost(program, hybrid, found) == pytest.approx(best, rel=1e-9)
