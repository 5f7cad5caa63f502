"""Figures are drawn from rows of every kind and carry the data."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fake_results

from sparsectl.evaluate import plots, results
from sparsectl.report import figure as drawing
from sparsectl.report.style import looks


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fake")
    return results.read(fake_results.write(folder, models=("a", "b"), episodes=3, pictures=False))


@pytest.mark.parametrize(
    "name", [n for n in plots.FIGURES if n not in ("courses", "error_against_steps")]
)
def test_each_figure_has_a_panel_per_model(name, found):
    figure = plots.FIGURES[name][0](found)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    ElementTree.fromstring(drawing.to_svg(figure))


def test_the_error_curve_is_the_iqm_in_the_shown_unit(found):
    axes = plots.error_over_time(found).axes[0]
    line = next(x for x in axes.get_lines() if x.get_label() == "zero")
    starts = sorted(1000 * r["errors"][0] for r in found.of("a", "zero"))
    middle = (starts[1] * 4 + (starts[0] + starts[2]) * 1) / 6
    assert line.get_ydata()[0] == pytest.approx(middle)
    assert len(line.get_xdata()) == 21


def test_who_plays_with_one_model_only_is_named_and_leaves_no_empty_panel(found):
    rows = [r for r in found.rows if (r["model"], r["controller"]) != ("a", "mip")]
    alone = replace(found, rows=rows)
    figure = plots.error_over_time(alone)
    assert {t.get_text() for t in figure.legends[0].get_texts()} == set(found.controllers)
    assert [axes.get_title(loc="left") for axes in plots.gap_shares(alone).axes] == ["b"]


def test_without_bounds_or_planned_states_there_are_no_such_figures(tmp_path):
    fake_results.write(tmp_path, controllers=("mppi", "cem"), episodes=1, pictures=False)
    (tmp_path / "planned.jsonl").unlink()
    found = results.read(tmp_path)
    assert plots.gap_over_time(found) is None
    assert plots.gap_shares(found) is None
    assert plots.planned_costs(found) is None
    assert plots.error_over_time(found) is not None


def test_a_diverged_trace_keeps_its_last_known_error(tmp_path):
    fake_results.write(tmp_path, controllers=("mip",), episodes=1, steps=4, pictures=False)
    (row,) = results.read(tmp_path).rows
    results.add_row(tmp_path, {**row, "errors": [0.1, 0.2, None]}, {})
    (line,) = plots.error_over_time(results.read(tmp_path)).axes[0].get_lines()
    np.testing.assert_allclose(line.get_ydata(), [100, 200, 200])


def test_a_controller_keeps_its_colour_whatever_it_is_compared_with():
    alone = looks({"mppi": "mppi"})["mppi"]
    among = looks({"mip": "mip", "small": "mip", "mppi": "mppi"})
    assert among["mppi"] == alone
    assert len({look.light for look in among.values()}) == 3


def test_inline_svg_takes_the_pages_colours_and_unique_ids(found):
    document = drawing.to_svg(plots.decision_times(found))
    element = drawing.inline(document, "x-", {"#1a1b1c": "currentColor"}, 'times & "more"')
    root = ElementTree.fromstring(element)
    assert root.get("width") is None
    assert root.get("aria-label") == 'times & "more"'
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert all(i.startswith("x-") for i in ids)
    assert "#1a1b1c" not in element.lower()
    assert "currentColor" in element
