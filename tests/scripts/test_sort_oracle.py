"""The sorting oracle chooses strokes that help, and writes one row an episode."""

from __future__ import annotations

import csv

from scripts.closed_loop import sort_oracle
from scripts.study import RESULTS


def test_shooting_with_the_true_simulator_sorts_four_discs(tmp_path):
    out = tmp_path / "rows.jsonl"
    options = ["--discs", "4", "--episodes", "1", "--samples", "96", "--out", str(out)]
    assert sort_oracle.main(options) == 0
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    assert [int(r["seed"]) for r in rows] == [10_000]
    assert all(r["success"] == "1" and int(r["strokes"]) < 20 for r in rows)


def test_the_committed_table_says_that_every_size_can_be_sorted():
    table = RESULTS / "sort_oracle.csv"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    for discs in ("4", "6", "8"):
        some = [r for r in rows if r["discs"] == discs]
        assert len(some) == 20
        assert sum(int(r["success"]) for r in some) >= 18
