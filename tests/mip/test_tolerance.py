"""An absolute tolerance beside the relative gap: every engine stops at whichever comes first."""

import sys
from dataclasses import replace
from pathlib import Path

import disc
import numpy as np
import pytest
import random_problems

from sparsectl.control.settings import MIPConfig, RelaxationConfig
from sparsectl.errors import ConfigError
from sparsectl.mip import Limits, anytime, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.scale import random_plans
from sparsectl.mip.search import enumeration
from sparsectl.mip.search.engines import engine
from sparsectl.task import ActionConfig
from sparsectl.types import Status

sys.path.insert(0, str(Path(__file__).parent))
import fuzz

ENGINES = ("scip", "highs", "hull", "boxes")


def _case(seed=5, unit=1.0):
    """A decision whose costs are some units, and its optimum."""
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 2, 1, (12,), scale=1.5)
    problem = random_problems.problem(rng, 2, 1, 4, "l1", constrained=False)
    terms = tuple(
        replace(t, weight=t.weight * unit, terminal_weight=t.terminal_weight * unit)
        for t in problem.cost.terms
    )
    weight = problem.cost.action_weight * unit
    return program, replace(problem, cost=replace(problem.cost, terms=terms, action_weight=weight))


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_search_stops_at_the_tolerance_in_the_users_unit(backend, unit):
    program, problem = _case(unit=unit)
    start = lambda end: [np.zeros((4, 1))]  # noqa: E731
    bare = {"backend": backend, "explore": 0, "polish": 0}
    full = anytime.plan(program, problem, start, anytime.Options(gap=0.0, **bare))
    near = anytime.Options(gap=0.0, tolerance=0.3 * full.cost, **bare)
    found = anytime.plan(program, problem, start, near)
    assert full.claim == "optimal"
    assert found.status == Status.OPTIMAL
    assert found.cost - found.bound <= 0.3 * full.cost
    assert found.claim in ("optimal", f"within {0.3 * full.cost:.6g} of the optimum")
    assert found.nodes < full.nodes
    assert found.bound <= full.cost <= found.cost + 1e-6 * full.cost


def test_whichever_is_met_first_stops_and_the_claim_says_which():
    program, problem = _case()
    start = lambda end: [np.zeros((4, 1))]  # noqa: E731
    bare = {"backend": "boxes", "explore": 0, "polish": 0}
    cost = anytime.plan(program, problem, start, anytime.Options(gap=0.0, **bare)).cost
    by_gap = anytime.Options(gap=0.2, tolerance=1e-9 * cost, **bare)
    by_size = anytime.Options(gap=1e-9, tolerance=0.2 * cost, **bare)
    one, other = (anytime.plan(program, problem, start, o) for o in (by_gap, by_size))
    assert one.status == other.status == Status.OPTIMAL
    assert one.claim == "optimal to 20 %"
    assert other.claim == f"within {0.2 * cost:.6g} of the optimum"
    assert one.gap > 1e-3
    assert other.gap > 1e-3


def test_the_smaller_allowance_that_is_met_is_claimed():
    limits = Limits(gap=0.01, absolute_gap=0.5)
    assert limits.claim(100.0, 100.0) == "optimal"
    assert limits.claim(100.0, 99.6) == "within 0.5 of the optimum"
    assert limits.claim(100.0, 99.2) == "optimal to 1 %"
    assert limits.claim(100.0, 98.0) == ""
    assert limits.claim(1.0, 0.6) == "within 0.5 of the optimum"
    assert limits.claim(1.0, 0.6, unit=2.0) == "within 1 of the optimum"
    assert limits.claim(np.inf, 0.0) == ""
    assert limits.claim(5e-8, 0.0, typical=0.1) == "optimal"


@pytest.mark.parametrize("backend", ["scip", "highs"])
def test_what_rounding_leaves_at_weights_far_above_the_costs_is_told(backend):
    item = fuzz.hybrid(3027)  # plans cost about 10, and one nothing; a unit of its cost is 65,536
    problem = replace(item.problem, inputs=None)
    found = solve(item.program, problem, backend=backend, limits=Limits(gap=1e-6))
    assert found.cost - found.bound > 1e-4
    assert found.claim == f"optimal but for {found.cost - found.bound:.2g} of rounding"


@pytest.mark.parametrize("seed", range(12))
def test_claims_hold_at_odd_units(seed):
    item = fuzz.instance(seed)
    plans = random_plans(item.problem)
    costs = item.costs(plans)
    if not np.isfinite(costs).any():
        pytest.skip("no random plan keeps the constraints")
    allowed = 0.1 * float(np.median(costs[np.isfinite(costs)]))
    limits = Limits(gap=1e-9, seconds=20.0)
    exact = solve(item.program, item.problem, limits=limits)
    ocp = OCP(item.program, item.problem)
    for name in ENGINES:
        if engine(name).unsupported(ocp) is not None:
            continue
        options = anytime.Options(name, gap=0.0, tolerance=allowed, nodes=3000)
        found = anytime.plan(item.program, item.problem, lambda end: list(plans[:2]), options)
        closed = found.cost - found.bound <= allowed * (1 + 1e-6)
        assert (found.status == Status.OPTIMAL) == closed == (found.claim != "")
        if not closed:  # Boxes on which hard limits bind.
            assert name == "boxes"
            continue
        assert found.cost <= exact.cost + allowed * (1 + 1e-6)
        assert found.claim == "optimal" or f"{allowed:.6g}" in found.claim
    again = solve(item.program, item.problem, limits=replace(limits, gap=0.0), tolerance=allowed)
    assert again.cost - again.bound <= allowed * (1 + 1e-6)
    assert again.status == Status.OPTIMAL


def test_all_plans_prove_the_optimum_whatever_is_allowed():
    jets = disc.problem(0, 3, ActionConfig(levels=[-1.0, 0.0, 1.0]))
    found = anytime.plan(disc.program(), jets, lambda end: [], anytime.Options(tolerance=100.0))
    assert found.certificate == enumeration.BY_ALL_PLANS
    assert found.claim == "optimal"


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "0.1", True])
@pytest.mark.parametrize("make", [anytime.Options, MIPConfig, RelaxationConfig])
def test_a_tolerance_that_is_not_a_number_of_at_least_0_is_refused_in_one_line(make, wrong):
    with pytest.raises(
        ConfigError, match=r"tolerance is .*expected a number of at least 0"
    ) as told:
        make(tolerance=wrong)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), "0.1"])
def test_solve_refuses_such_a_tolerance_too(wrong):
    program, problem = _case()
    with pytest.raises(ConfigError, match=r"absolute_gap is .*expected a number of at least 0"):
        solve(program, problem, tolerance=wrong)
