"""A few instances of the fuzzer; `python tests/mip/fuzz.py --count 2000` tries many."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fuzz

from sparsectl.mip import Limits, solve
from sparsectl.mip.backends import BACKENDS
from sparsectl.types import Status


@pytest.mark.parametrize("make", [fuzz.instance, fuzz.hybrid])
@pytest.mark.parametrize("seed", range(8))
def test_no_bound_is_above_a_plan_and_no_proof_is_false(seed, make):
    item = make(seed)
    known, found = fuzz.searched(item, seed), fuzz.answers(item, 0.3)
    assert fuzz.faults(item, known, found) == []


def test_a_broken_rule_and_a_wrong_cost_are_found():
    seeds = (s for s in range(50) if fuzz.hybrid(s).problem.inputs.discrete.any())
    seed = next(seeds)
    item = fuzz.hybrid(seed)
    solution = fuzz.answers(item, 0.3)["scip"]
    assert solution.actions is not None
    between = solution.actions + 0.1 * np.asarray(item.action_unit)
    wrong = dataclasses.replace(solution, actions=between, cost=2 * solution.cost + 1e3)
    said = fuzz.broken(item, wrong)
    assert any("rule for actions" in line for line in said)
    assert any("said to cost" in line for line in said)


def test_a_bound_above_a_plan_is_found():
    item = fuzz.instance(0)
    known, found = fuzz.searched(item, 0), fuzz.answers(item, 0.3)
    name, solution = next((n, s) for n, s in found.items() if s.bound is not None)
    wrong = dataclasses.replace(solution, bound=known + 1e3 * (1 + abs(known)))
    assert any("bound" in line for line in fuzz.faults(item, known, {name: wrong}))


def test_squares_far_from_zero_are_bounded_well():
    """SCIP said 6e-6 (HiGHS too much) of actions at 1.7e5 that vary by 1, or that there is no
    plan."""
    item = fuzz.hybrid(41)
    program, problem = item.program, item.problem
    found = [solve(program, problem, backend=name, limits=Limits(gap=1e-4)) for name in BACKENDS]
    best = min(solution.cost for solution in found)
    for solution in found:
        assert best * (1 - 2e-4) <= solution.bound <= best * (1 + 1e-6)


def test_a_false_proof_that_there_is_no_plan_is_found_out():
    """HiGHS 1.16 says so without presolve, at 5e-8 and at 1e-7; 31 variables, 8 binaries."""
    item = fuzz.hybrid(700401)
    found = [solve(item.program, item.problem, backend=name) for name in BACKENDS]
    assert [solution.status for solution in found] == [Status.OPTIMAL] * len(found)
    assert found[0].cost == pytest.approx(found[1].cost, rel=1e-4)
