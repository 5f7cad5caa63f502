"""Which planner to use, from rows in which it is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fake_results

from sparsectl.evaluate import results
from sparsectl.evaluate.summary import summarise
from sparsectl.evaluate.verdict import verdict


def told(folder: Path, errors: dict[str, np.ndarray], **facts) -> list[str]:
    """Verdict on episodes of given final errors [m]; `facts` are by controller and column."""
    count = len(next(iter(errors.values())))
    fake_results.write(folder, controllers=tuple(errors), episodes=max(count, 1), pictures=False)
    (folder / "episodes.jsonl").write_text("")
    for name, values in errors.items():
        for episode, error in enumerate(values):
            row = fake_results._row("model", name, episode, 4)
            row |= {"final_error": error, **facts.get(name, {})}
            results.add_row(folder, row, {})
    found = results.read(folder)
    return verdict(found, summarise(found))


STARTS = np.random.default_rng(0).uniform(0.1, 10, 12)


def test_a_small_difference_between_pairs_is_found_in_much_spread(tmp_path):
    quick = {"seconds": [0.001] * 4, "deadline_misses": 0}
    first, *rest = told(tmp_path, {"mip": STARTS, "cem": STARTS + 0.01}, mip=quick)
    assert first.startswith("Use mip: its final error [mm] is lower than cem's, the next best, by")
    assert "10.0 (95 % interval 10.0 to 10.0, 12 episodes)" in first
    assert not any("decisions" in r for r in rest)


def test_without_a_difference_the_cheapest_is_taken(tmp_path):
    noise = np.random.default_rng(1).normal(0, 1, 12)
    slow, quick = {"seconds": [0.15] * 4}, {"seconds": [0.002] * 4}
    first, *_ = told(tmp_path, {"mip": STARTS, "cem": STARTS + noise}, mip=slow, cem=quick)
    assert first.startswith("Use cem (2.0 ms a decision): no difference in final error [mm]")
    assert "between mip, cem" in first


def test_the_reference_gets_no_favour(tmp_path):
    first, *_ = told(tmp_path, {"mip": STARTS + 1, "zero": STARTS})
    assert first.startswith("Use zero: its final error [mm] is lower than mip's")


def test_late_decisions_violations_and_failures_are_named(tmp_path):
    facts = {
        "seconds": [0.1, 0.3, 0.1, 0.1],
        "deadline_misses": 1,
        "real_violations": [0.0, 0.25, 0.0, 0.0],
        "violated": {"wall": 1},
        "priced_violations": [0.5, 0.25, 0.0, 0.0],
        "priced_violated": {"gate": 2},
    }
    said = told(tmp_path, {"mip": STARTS, "cem": STARTS + 1}, mip=facts)
    assert "12 of its 48 decisions took longer than 200 ms." in said
    assert "It violates hard constraints in 25 % of the steps, by 0.250 at worst." in said
    paid = "It violates constraints at their price in 50 % of the steps, by 0.500 at worst."
    assert paid in said


@pytest.mark.parametrize(
    ("errors", "start"),
    [
        ({"mip": STARTS}, "mip was played alone"),
        ({"mip": STARTS[:1], "cem": STARTS[:1] + 1}, "Fewer than 3 episodes"),
        ({"mip": 0 * STARTS, "cem": 0 * STARTS}, "Use mip"),
        ({"mip": STARTS, "cem": [None] * 12}, "Use"),
    ],
)
def test_what_cannot_be_told_is_said(tmp_path, errors, start):
    assert told(tmp_path, errors)[0].startswith(start)


def test_without_rows_there_is_no_verdict(tmp_path):
    assert told(tmp_path, {"mip": []}) == []


def test_episodes_that_are_not_paired_are_compared_as_such(tmp_path):
    told(tmp_path, {"mip": STARTS, "cem": STARTS + 0.01})
    results.note(tmp_path, "unpaired", "Episodes are not paired: ...")
    found = results.read(tmp_path)
    assert "no difference" in verdict(found, summarise(found))[0]
