"""Values that are all alike, missing, zero or alone must not cost a figure, table or report."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
import fake_results

from sparsectl.circuits import learning
from sparsectl.continual import figures, tables
from sparsectl.continual.results import UnitResult, summarise
from sparsectl.evaluate import plots, report, results, table, trace
from sparsectl.policies.rl import curve
from sparsectl.report.figure import png, to_svg
from sparsectl.report.style import looks_of
from sparsectl.report.table import csv, markdown
from sparsectl.types import Plan, Status

ROWS = {
    "as they are": {},
    "errors all zero": {"errors": [0.0] * 5, "final_error": 0.0},
    "errors all alike": {"errors": [0.3] * 5, "final_error": 0.3},
    "errors below zero": {"errors": [-2.0] * 5, "final_error": -2.0},
    "errors unknown": {"errors": [None] * 5, "final_error": None, "success": None},
    "no step": {
        "errors": [0.1], "seconds": [], "gaps": [], "costs": [], "bounds": [], "steps": 0,
        "mean_cost": None, "mean_gap": None, "proved": None, "seconds_p50": None,
    },
    "no time": {"seconds": [0.0] * 4, "seconds_p50": 0.0, "seconds_max": 0.0},
    "gaps all zero": {"gaps": [0.0] * 4},
    "gaps unknown": {"gaps": [None] * 4, "proved": None, "mean_gap": None},
    "huge": {"errors": [1e300] * 5, "final_error": 1e300, "return": -1e300},
    "tiny": {"errors": [1e-300] * 5, "final_error": 1e-300},
    "seconds known": {"dt": 0.05},
    "crashed": None,
}  # fmt: skip
PLANNED = {
    "as they are": lambda cost: cost,
    "all zero": lambda cost: 0.0,
    "all alike": lambda cost: 0.7,
    "below zero": lambda cost: -cost,
    "unknown": lambda cost: None,
    "best zero": lambda cost: cost - 0.2 if cost > 0.5 else 0.0,
}


OTHERS = {
    "errors": {"decision_times", "gap_over_time", "gap_shares"},
    "seconds": {"error_over_time", "gap_over_time", "gap_shares"},
    "gaps": {"error_over_time", "error_against_time", "error_against_steps", "decision_times"},
}
"""Figures that do not show a value: where only that differs, they are as they are."""


def all_of_it(folder: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        html = report.write(folder).read_text()
        table.show(results.read(folder), Console(file=io.StringIO(), width=80))
    assert ">nan" not in html.lower()
    return html


ALONE, SEVERAL = (1, ("mip",)), (3, ("cem", "zero"))
# One episode of one controller has less to draw; several differ from it in intervals and pairs.
CASES = [(name, *ALONE) for name in ROWS] + [
    (name, *SEVERAL) for name in ("as they are", "errors all alike", "errors unknown", "crashed")
]


@pytest.mark.parametrize(("name", "episodes", "controllers"), CASES)
def test_rows_of_every_kind_have_a_report(tmp_path, name, episodes, controllers, monkeypatch):
    changed = ROWS[name]
    values = OTHERS.keys() & (changed or {})
    same = set.intersection(*(OTHERS[v] for v in values)) if values else set()
    assert same <= plots.FIGURES.keys()
    some = {figure: draw for figure, draw in plots.FIGURES.items() if figure not in same}
    monkeypatch.setattr(plots, "FIGURES", some)
    # What is planned at the same states does not depend on the rows: once is enough.
    states = 8 if name == "as they are" else 0
    fake_results.write(
        tmp_path, controllers=controllers, episodes=episodes, steps=4, states=states, pictures=False
    )
    for row in results.read(tmp_path).rows:
        names = {k: row[k] for k in ("model", "controller", "episode", "key")}
        broken = {**names, "outcome": "error", "success": False, "message": "died", "trace": ""}
        results.add_row(tmp_path, broken if changed is None else {**row, **changed}, {})
    all_of_it(tmp_path)


@pytest.mark.parametrize("name", PLANNED)
def test_planned_costs_of_every_kind_have_a_report(tmp_path, name, monkeypatch):
    # The other figures are of the rows, which are as they are.
    only = {"planned_costs": plots.FIGURES["planned_costs"]}
    monkeypatch.setattr(plots, "FIGURES", only)
    fake_results.write(tmp_path, controllers=("mip", "zero"), episodes=1, steps=4, pictures=False)
    units = results.latest_planned(tmp_path).values()
    for unit in units:
        for row in unit["rows"]:
            row["cost"] = PLANNED[name](row["cost"])
        results.add_planned(tmp_path, unit)
    html = all_of_it(tmp_path)
    drawn = plots.planned_costs(results.read(tmp_path))
    assert (drawn is None) == (name == "unknown")
    assert ('id="planned_costs"' in html) == (name != "unknown")


@pytest.mark.parametrize(
    "returns", [[0.0], [5.0], [5.0, 5.0], [np.nan], [np.nan, 3.0], [3.0, np.nan], [-4.0, 0.0]]
)
@pytest.mark.parametrize(("step", "seeds"), [(0, 2), (100, 1)])
def test_learning_curves_of_every_kind(returns, seeds, step):
    rows = [curve.point(step * i, 0.0, np.array([value])) for i, value in enumerate(returns)]
    curves = {"one": [rows] * seeds, "other": [rows]}
    lines = learning.table(curves)
    assert markdown(learning.columns(lines), lines).count("\n") == 4
    assert csv(lines)
    png(learning.figure(curves))


def unit(label: str, seed: int, R: np.ndarray, kind: str, size: float) -> UnitResult:
    names = [f"task {i}" for i in range(R.shape[1])]
    cost = {"bits": 32, "bytes": size, "ace": 1.0, "multiplications": 1}
    row = {"train_seconds": 0.0, "counters": {}, "calibration": {"nll": None}}
    facts = {"kind": kind, "tasks": names, "stream": "none"}
    return UnitResult(label, "sequential", seed, {"mean": R}, {}, facts, [row], True, cost)


@pytest.mark.parametrize(
    ("value", "sizes", "flip"),
    [
        (0.0, (0.0, 0.0), False), (1.0, (0.0, 100.0), True),
        (np.nan, (1e3, 1e6), False), (1e9, (1e3, 1e6), True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tasks", [1, 50])
def test_continual_learners_of_every_kind(tasks, value, sizes, flip):
    kind = "classification" if (tasks > 1) == flip else "regression"
    R = np.full((tasks + 1, tasks), value)
    found = [unit(f"learner {i}", 0, R, kind, size) for i, size in enumerate(sizes)]
    styles = looks_of(u.label for u in found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for draw, _ in figures.FIGURES.values():
            figure = draw(found, styles)
            if figure is not None:
                to_svg(figure)
    lines = summarise(found)
    assert tables.markdown(lines).count("\n") == 4
    assert csv(lines)


COSTS, BOUNDS = [0.0, -3.0, 1e-300, 1e300, np.inf], [None, 0.0, -np.inf]
POINTS = [(), ((0.0, 0.0, 0.0),), ((0.0, np.inf, -np.inf),) * 2]
# Every two of a cost, a bound and a trace are together once.
TOGETHER = [(c, b, POINTS[(i + j) % 3]) for i, c in enumerate(COSTS) for j, b in enumerate(BOUNDS)]


@pytest.mark.parametrize(("cost", "bound", "points"), TOGETHER)
def test_courses_of_a_decision_of_every_kind(cost, bound, points):
    status = Status.FEASIBLE if np.isfinite(cost) else Status.NO_SOLUTION
    if bound is not None and bound > cost:
        bound = cost
    shape = (2, 1)
    plan = Plan(
        np.zeros(shape), np.zeros((3, 1)), status, cost, bound=bound, seconds=0.0, trace=points
    )
    alone = bound is None
    to_svg(trace.figure({"mip": plan} if alone else {"mip": plan, "other": plan}))
