"""The study of margins, on a tiny run."""

from __future__ import annotations

import cli_runs
import pytest

from scripts.closed_loop import margins
from sparsectl.files import read_json_lines

TINY = cli_runs.config("""
task:
  cost: {terms: [{of: observation}], action: {norm: l1, weight: 0.01}}
  constraints: {boxes: [{of: observation, low: -9.0, high: 9.0}]}
controllers: {mppi: {samples: 8, iterations: 1}}
""")


@pytest.fixture
def home(tmp_path, monkeypatch):
    return cli_runs.home(monkeypatch, tmp_path, TINY)


def study(*words: str) -> int:
    shared = ["--tasks", "tiny.yaml", "--runs", "runs", "--out", "rows.jsonl", "--steps", "3"]
    return margins.main([*shared, "--controllers", "mppi", "--episodes", "2", *words])


def test_measures_coverage_and_plays_with_and_without_margins_once(home, capsys):
    assert study() == 2
    assert "no model" in capsys.readouterr().err
    assert cli_runs.run("collect") == cli_runs.run("train") == 0
    assert study() == 0
    rows = read_json_lines(home / "rows.jsonl")
    assert [(r["who"], r["coverage"]) for r in rows] == [
        ("open loop", 0.9), *[("mppi", None), ("mppi", 0.9)] * 2
    ]  # fmt: skip
    # Five fresh sets and the one of the margins: the mean over all turns is the stated one.
    assert rows[0]["mean"] == pytest.approx(0.9, abs=0.03)
    assert rows[0]["least"] <= rows[0]["within"]
    text = (home / "rows.md").read_text()
    assert "| tiny | mppi | without margins | 2 | 6 |" in text
    assert "| tiny | mppi | 0.9 | 2 | 6 |" in text
    written = (home / "rows.jsonl").read_bytes()
    assert study() == 0
    assert (home / "rows.jsonl").read_bytes() == written
