"""Neuron bounds that are wrong (faults 8 and 9), and what the exact rollout says about it."""

import dataclasses

import numpy as np
import pytest
import random_problems

from sparsectl.errors import SparsectlError
from sparsectl.mip import Limits, anytime, bound_neurons, solve
from sparsectl.types import Status

BACKENDS = ("scip", "highs")


def _tightened(bounds, share):
    """Bounds that cut off a part of what is reachable."""
    middle = (bounds.pre_low + bounds.pre_high) / 2
    return dataclasses.replace(
        bounds,
        pre_low=middle + share * (bounds.pre_low - middle),
        pre_high=middle + share * (bounds.pre_high - middle),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_bounds_that_are_too_tight_never_falsify_a_cost(backend):
    for seed in range(4):
        program, problem = random_problems.case(seed)
        honest = solve(program, problem, limits=Limits(gap=1e-6))
        wrong = _tightened(bound_neurons(program, problem, "crown"), 0.3)
        solution = solve(program, problem, backend=backend, bounds=wrong)
        if solution.status.has_plan:
            exact = program.rollout(problem.x0, solution.actions)
            assert solution.cost == pytest.approx(float(problem.cost(exact, solution.actions)))
            assert solution.cost >= honest.cost - 1e-5


def test_a_start_that_wrong_bounds_exclude_is_not_lost_by_the_anytime_planner(monkeypatch):
    program, problem = random_problems.case(1)
    best = solve(program, problem, limits=Limits(gap=1e-6))
    crown = bound_neurons(program, problem, "crown")
    monkeypatch.setattr(anytime, "bound_neurons", lambda *a, **k: _tightened(crown, 0.2))
    options = anytime.Options(backend="scip")
    solution = anytime.plan(program, problem, lambda _: [best.actions], options)
    assert solution.cost <= best.cost + 1e-9


def test_states_far_outside_the_data_have_sound_bounds_still():
    rng = np.random.default_rng(0)
    program, problem = random_problems.case(3)
    far = dataclasses.replace(problem, x0=1e3 * rng.normal(size=4))
    for method in ("interval", "crown", "lp"):
        bounds = bound_neurons(program, far, method)
        actions = rng.uniform(-1, 1, (500, 3, 2))
        states = program.rollout(far.x0, actions)
        pre = program.evaluate(np.concatenate([states[:, :-1], actions], axis=-1))[1]
        assert (pre >= bounds.pre_low).all()
        assert (pre <= bounds.pre_high).all()
    solution = solve(program, far)
    assert solution.status is Status.OPTIMAL
    assert solution.claimed_cost == pytest.approx(solution.cost, rel=1e-6)


def test_bounds_the_wrong_way_round_are_refused():
    program, problem = random_problems.case(hidden=(3,), horizon=2)
    bounds = bound_neurons(program, problem, "crown")
    swapped = dataclasses.replace(bounds, pre_low=bounds.pre_high, pre_high=bounds.pre_low)
    with pytest.raises(SparsectlError):
        solve(program, problem, bounds=swapped)


def test_bounds_of_another_horizon_are_refused():
    program, problem = random_problems.case(hidden=(3,), horizon=3)
    short = bound_neurons(program, dataclasses.replace(problem, horizon=2), "crown")
    with pytest.raises(SparsectlError):
        solve(program, problem, bounds=short)
