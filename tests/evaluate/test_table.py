"""Summaries, the terminal's table and CSV files against the rows they come from."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))
import fake_results

from sparsectl.evaluate import results, table
from sparsectl.evaluate.summary import summarise
from sparsectl.report import text


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return results.read(fake_results.write(tmp_path_factory.mktemp("fake"), pictures=False))


def test_the_summary_follows_from_the_rows(found):
    line = next(s for s in summarise(found) if s["controller"] == "mip")
    rows = found.of("model", "mip")
    seconds = np.concatenate([r["seconds"] for r in rows])
    assert line["episodes"] == 10
    assert line["successes"] == sum(r["success"] for r in rows)
    assert line["decisions"] == 200
    assert line["seconds_p99"] == pytest.approx(np.percentile(seconds, 99))
    assert line["deadline_misses"] == (seconds > 0.2).sum()
    assert line["fallbacks"] == sum(sum(r["fallbacks"].values()) for r in rows)
    finals = sorted(1000 * r["final_error"] for r in rows)
    assert finals[2] <= line["final_error_low"] <= line["final_error"] <= line["final_error_high"]
    assert line["final_error"] == pytest.approx(
        (0.5 * finals[2] + sum(finals[3:7]) + 0.5 * finals[7]) / 5
    )
    assert line["improved"] is None


def test_a_decision_without_a_bound_is_not_proved(found):
    name = ("model", "mip")
    before = next(s for s in summarise(found) if s["controller"] == "mip")
    bare = [r | {"gaps": [None] * len(r["gaps"]), "proved": None} for r in found.of(*name)[:5]]
    kept = found.of(*name)[5:]
    others = [r for r in found.rows if (r["model"], r["controller"]) != name]
    line = next(
        s
        for s in summarise(dataclasses.replace(found, rows=[*others, *bare, *kept]))
        if s["controller"] == "mip"
    )
    held = sum(r["proved"] * sum(g is not None for g in r["gaps"]) for r in kept)
    assert line["proved"] == pytest.approx(held / 200)
    assert 0 < line["proved"] < before["proved"]


def test_improvement_over_others_is_paired(found):
    line = next(s for s in summarise(found) if s["controller"] == "zero")
    assert line["improved"] == 1.0
    assert line["mean_gap"] is line["proved"] is None


def test_the_terminal_table_fits_80_columns_and_names_every_controller(found):
    buffer = io.StringIO()
    table.show(found, Console(file=buffer, width=80, color_system=None))
    printed = buffer.getvalue()
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 80
    for controller in found.controllers:
        assert any(line.split()[:1] == [controller] for line in lines)
    for heading in ("success", "[mm]", "[ms]", "late", "fallb.", "gap", "proved"):
        assert heading in printed
    assert "…" not in printed


def test_violations_and_softened_plans_are_shown_where_the_task_has_constraints(tmp_path):
    """Also where none occurred, and planned ones never hide the real ones."""
    fake_results.write(tmp_path, episodes=2, controllers=("mip", "zero"), pictures=False)
    titles = lambda r: [c.title for c in table.columns(r, summarise(r))]  # noqa: E731
    found = results.read(tmp_path)
    assert "violated" not in titles(found)
    found.settings["task"]["constraints"] = {"boxes": [{"of": "x", "low": 0, "high": 1}]}
    assert {"violated", "planned"} <= set(titles(found))
    for row in found.of("model", "mip"):
        row |= {"real_violations": [0.0, 0.25, 0.5, 0.0], "worst_violation": 0.0}
        row["statuses"] = {"feasible": 18, "softened": 2}
        row |= {"softened": {"low limit": 2}, "violated": {"high limit": 2}}
    buffer = io.StringIO()
    table.show(found, Console(file=buffer, width=120, color_system=None))
    line = summarise(found)[0]
    assert (line["worst_real_violation"], line["steps_violated"]) == (0.5, 0.5)
    assert "50 %" in buffer.getvalue()
    printed = " ".join(buffer.getvalue().split())
    assert "mip: 4 of 40 decisions were softened" in printed
    assert "most: low limit 4." in printed
    assert "violated a hard constraint, by it: high limit 4." in printed
    assert summarise(found)[1]["softened"] == 0


def test_violations_at_a_price_are_told_apart_from_those_of_hard_constraints(tmp_path):
    """Steps through a priced keep-out were in no column: a table said that there were none."""
    fake_results.write(tmp_path, episodes=2, controllers=("mip", "zero"), pictures=False)
    found = results.read(tmp_path)
    found.settings["task"]["constraints"] = {"boxes": [{"of": "x", "low": 0, "high": 1}]}
    heads = [c.title for c in table.columns(found, summarise(found))]
    assert "violated at a price" not in heads
    for name, worst, counts in (("mip", 0.25, {"the gate": 1}), ("zero", 0.0, {})):
        for row in found.of("model", name):
            row |= {"real_violations": [0.0] * 4, "violated": {}}
            row |= {"priced_violations": [0.0, worst, 0.0, 0.0], "priced_violated": counts}
    lines = summarise(found)
    cells = {c.title: [c.cell(line) for line in lines] for c in table.columns(found, lines)}
    assert cells["violated"] == ["0\n0 %"] * 2
    assert cells["violated at a price"] == ["0.250\n25 %", "0\n0 %"]
    assert (lines[0]["worst_priced_violation"], lines[0]["steps_priced_violated"]) == (0.25, 0.25)
    (note,) = [n for n in table.notes(found, lines) if "at its price" in n]
    assert note == "mip: steps that violated a constraint at its price, by it: the gate 2."


def test_an_unfinished_comparison_and_its_failures_are_said(tmp_path):
    fake_results.write(tmp_path, episodes=2, controllers=("mip", "zero"), pictures=False)
    names = {"model": "model", "controller": "mip", "episode": 1, "key": "k"}
    broken = {**names, "outcome": "error", "success": False, "message": "the worker died"}
    results.add_row(tmp_path, broken, {})
    found = results.read(tmp_path)
    lines = summarise(found)
    assert (lines[0]["failed"], lines[0]["episodes"]) == (1, 2)
    assert any("the worker died" in note for note in table.notes(found, lines))
    rows = (tmp_path / "episodes.jsonl").read_text().splitlines()
    (tmp_path / "episodes.jsonl").write_text(rows[0] + "\n")
    found = results.read(tmp_path)
    assert table.notes(found, summarise(found))[0].startswith("1 of 4 episodes")


def test_csv_files_read_back(found):
    summary, episodes = table.write_csv(found)
    lines = list(csv.DictReader(summary.open()))
    assert [line["controller"] for line in lines] == found.controllers
    assert float(lines[0]["success"]) == summarise(found)[0]["success"]
    rows = list(csv.DictReader(episodes.open()))
    assert len(rows) == 50
    assert "seconds" not in rows[0]
    assert float(rows[0]["final_error"]) == found.rows[0]["final_error"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.0, "0"), (17.0, "17.0"), (0.18, "0.180"), (1234.5, "1,230"), (2e-7, "2.0e-7")],
)
def test_numbers_are_readable(value, shown):
    assert text.number(value) == shown


def test_shares_and_times_are_readable():
    assert [text.percent(v) for v in (0.0, 0.004, 0.63, 0.999, 1.0, None)] == [
        "0 %",
        "0.4 %",
        "63 %",
        "99.9 %",
        "100 %",
        "–",
    ]
    assert [text.milliseconds(v) for v in (0.0002, 0.1523, None)] == ["0.2", "152", "–"]
