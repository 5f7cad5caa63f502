"""`Status` and `Plan`."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.types import Plan, Status


def plan(cost: float, bound: float | None) -> Plan:
    return Plan(np.zeros((2, 1)), np.zeros((3, 1)), Status.FEASIBLE, cost, bound)


def test_only_statuses_with_an_incumbent_have_a_plan():
    assert {s for s in Status if s.has_plan} == {
        Status.OPTIMAL,
        Status.FEASIBLE,
        Status.HEURISTIC,
        Status.SOFTENED,
    }


@pytest.mark.parametrize("status", list(Status))
def test_every_status_says_what_to_do(status):
    assert len(status.advice) > 10


@pytest.mark.parametrize(
    ("cost", "bound", "gap"),
    [(2.0, 1.0, 0.5), (2.0, 2.0, 0.0), (1.0, 1.0 + 1e-12, 0.0), (-2.0, -3.0, 0.5)],
)
def test_gap_is_relative_to_the_cost_and_never_negative(cost, bound, gap):
    assert plan(cost, bound).gap == pytest.approx(gap)


def test_no_gap_without_a_bound_or_a_cost():
    assert plan(1.0, None).gap is None
    assert plan(float("inf"), 1.0).gap is None


def test_horizon_counts_actions():
    assert plan(1.0, None).horizon == 2
