"""A few instances of the fuzzer; `python tests/mip/fuzz.py --count 2000` tries many."""

import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fuzz


@pytest.mark.parametrize("seed", range(8))
def test_no_bound_is_above_a_plan_and_no_proof_is_false(seed):
    item = fuzz.instance(seed)
    known, found = fuzz.searched(item, seed), fuzz.answers(item, 0.3)
    assert fuzz.faults(item, known, found) == []


def test_a_bound_above_a_plan_is_found():
    item = fuzz.instance(0)
    known, found = fuzz.searched(item, 0), fuzz.answers(item, 0.3)
    name, solution = next((n, s) for n, s in found.items() if s.bound is not None)
    wrong = dataclasses.replace(solution, bound=known + 1e3 * (1 + abs(known)))
    assert any("bound" in line for line in fuzz.faults(item, known, {name: wrong}))
