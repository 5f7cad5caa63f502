"""Statistics of learning curves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sparsectl.circuits import learning
from sparsectl.policies.rl import curve
from sparsectl.report.figure import png


def rows(*pairs):
    return [curve.point(steps, 0.0, np.array([value])) for steps, value in pairs]


CURVES = {
    "fast": [rows((0, 10), (100, 90), (200, 100)), rows((0, 20), (100, 60), (200, 95))],
    "slow": [rows((0, 0), (100, 10), (200, 55)), rows((0, 0), (100, 20), (200, 40))],
}


def test_the_table_tells_how_good_and_how_soon():
    fast, slow = learning.table(CURVES, levels=(15, 1000))
    assert (fast["name"], fast["seeds"], fast["steps"]) == ("fast", 2, 200)
    assert fast["initial"].value == 15
    assert fast["final"].value == 97.5
    assert (fast["to_50"], fast["to_50_reached"]) == (100, 2)
    assert (fast["to_90"], fast["to_90_reached"]) == (150, 2)
    assert (slow["to_50"], slow["to_50_reached"]) == (math.inf, 1)
    assert (fast["to_15"], slow["to_15"]) == (50, 150)
    assert slow["to_1000"] == math.inf
    assert slow["to_1000_reached"] == 0


def test_between_evaluations_the_curve_is_linear_and_beyond_it_unknown():
    values = learning.at(CURVES["fast"][0], np.array([0, 50, 200, 300]))
    np.testing.assert_allclose(values, [10, 50, 100, np.nan])


def test_diverged_evaluations_are_left_out():
    broken = [*rows((0, 5), (100, 7)), curve.point(200, 0.0, np.array([np.nan]))]
    row = learning.table({"a": [broken]})[0]
    assert row["best"].value == 7
    assert row["final"].count == 0
    assert learning.reached(broken, 6) == 100


def test_the_figure_is_drawn():
    canvas = learning.figure(CURVES, "title", top=100)
    assert [t.get_text() for t in canvas.axes[0].get_legend().get_texts()] == ["fast", "slow"]
    assert png(canvas)[:4] == b"\x89PNG"
    lines = canvas.axes[0].get_lines()
    assert max(lines[0].get_ydata()) == pytest.approx(97.5)


def test_policies_that_do_not_learn_are_lines_of_the_figure():
    axes = learning.figure(CURVES, levels={"random actions": 7.0}).axes[0]
    line = next(x for x in axes.lines if x.get_label() == "random actions")
    assert set(np.asarray(line.get_ydata())) == {7.0}
