"""The picture of a decision carries its incumbent, its bound and its gap."""

import io

import numpy as np
import pytest

from sparsectl.evaluate import trace
from sparsectl.mip import Solution
from sparsectl.types import Plan, Status

INF = float("inf")


def plan(points, cost, bound=None, seconds=1.0, status=Status.FEASIBLE):
    return Plan(
        np.zeros((1, 1)), np.zeros((2, 1)), status, cost, bound, seconds, trace=tuple(points)
    )


MIP = plan([(0.3, 5.0, 1.0), (0.1, 6.0, -INF), (0.5, INF, 2.0), (0.6, 4.0, 1.5)], 4.0, 3.0)


def test_costs_fall_bounds_rise_and_the_answer_is_last():
    table = trace.merged(MIP)
    np.testing.assert_allclose(table[:, 0], [0.1, 0.3, 0.5, 0.6, 1.0])
    np.testing.assert_allclose(table[:, 1], [6, 5, 5, 4, 4])
    np.testing.assert_allclose(table[:, 2], [-INF, 1, 2, 2, 3])


def test_claims_beyond_the_answer_are_not_drawn():
    """A solver's tolerance on the way, a bound that was withdrawn, a broken point."""
    table = trace.merged(plan([(0.1, 3.9999, 4.1), (0.2, np.nan, 1.0)], 4.0, 3.9))
    assert table[:, 1].min() == 4.0
    assert table[:, 2].max() == 3.9
    assert trace.merged(plan([(0.1, 5.0, 1.0)], 5.0)).max(axis=0)[2] == -INF


@pytest.mark.parametrize(
    "plans",
    [
        {"mip": MIP},
        {"mip": MIP, "mppi": plan([(0.001, 7.0, -INF)], 7.0, status=Status.HEURISTIC)},
        {"none": plan([], INF, status=Status.NO_SOLUTION)},
        {"bound": plan([(0.1, INF, 1.0)], INF, 1.0, status=Status.NO_SOLUTION)},
        {"zero": plan([(0.0, 0.0, 0.0)], 0.0, 0.0, seconds=0.0, status=Status.OPTIMAL)},
        {"solution": Solution(Status.FEASIBLE, cost=4.0, bound=3.0, trace=((0.1, 4.0, 3.0),))},
    ],
    ids=lambda plans: next(iter(plans)),
)
@pytest.mark.filterwarnings("error")
def test_every_outcome_can_be_drawn(plans):
    figure = trace.figure(plans)
    (axes,) = figure.axes
    assert "[s]" in axes.get_xlabel()
    assert axes.get_ylabel()
    (legend,) = figure.legends
    assert len(legend.get_texts()) >= len(plans)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=40)
    assert picture.tell() > 1000


def test_the_legend_says_the_gap_and_does_not_cover_the_data():
    figure = trace.figure({"mip": MIP})
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    (legend,) = figure.legends
    assert "gap 25 %" in legend.get_texts()[0].get_text()
    box, inside = legend.get_window_extent(), figure.axes[0].get_window_extent()
    assert box.y0 >= inside.y1


def test_far_first_guesses_do_not_flatten_the_rest():
    wild = plan([(0.1, 1e6, -1e6), (0.2, 4.0, 3.0)], 4.0, 3.0)
    low, high = trace.figure({"mip": wild}).axes[0].get_ylim()
    assert -10 < low < 3.0
    assert 4.0 < high < 10


def test_the_same_controller_has_the_same_colour():
    lines = trace.figure({"a": MIP, "b": MIP}, {"a": "mip", "b": "cem"}).axes[0].get_lines()
    assert len({line.get_color() for line in lines}) >= 2
