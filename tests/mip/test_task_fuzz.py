"""Tasks as users state them are planned as the documentation says; `task_fuzz` tries many."""

import dataclasses
import sys
from pathlib import Path

import pytest
from random_tasks import drawn

sys.path.insert(0, str(Path(__file__).parent))
import task_fuzz


@pytest.mark.parametrize("seed", range(8))
def test_what_is_planned_is_the_best_of_all_plans(seed):
    item = drawn(37 * seed)
    assert task_fuzz.faults(item, task_fuzz.answers(item)) == []


def test_a_wrong_answer_is_found():
    item = drawn(3)
    wrong = {
        k: dataclasses.replace(s, bound=s.cost + 1) for k, s in task_fuzz.answers(item).items()
    }
    assert len(task_fuzz.faults(item, wrong)) == len(wrong)
