"""`sparsectl sparsify`, and families in comparisons."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cli_runs
import pytest
from cli_runs import run

from sparsectl import cli

TINY = cli_runs.config("""
sparsify: {counts: [2, 0], initial_steps: 40, removal_steps: 5, finetune_steps: 20, stride: 0.5}
controllers: {mip: {nodes: 50}}
evaluate: {episodes: 1, steps: 2, workers: 1, engine: serial, planned_states: 1, clips: 0,
           models: {two: sparse/2}}
""")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    cli_runs.home(monkeypatch, tmp_path, TINY)
    monkeypatch.setenv("COLUMNS", "160")


def test_a_family_is_made_shown_resumed_and_compared(capsys):
    assert run("collect") == 0
    assert run("sparsify") == 2
    assert "run `sparsectl train`" in capsys.readouterr().err
    assert run("train") == 0
    capsys.readouterr()
    assert run("sparsify") == 0
    out = capsys.readouterr().out
    assert "as trained" in out
    assert "done" in out
    folder = Path("runs/tiny/sparse")
    rows = list(csv.DictReader((folder / "family.csv").open()))
    assert [(row["target"], row["m"]) for row in rows] == [("2", "2"), ("0", "0")]
    assert [row["modes_complete"] for row in rows] == ["True", "True"]
    assert int(rows[1]["modes"]) == 2, "an affine model has one mode at each of the two steps"
    stamp = (folder / "2" / "meta.json").stat().st_mtime_ns
    assert run("sparsify") == 0
    assert (folder / "2" / "meta.json").stat().st_mtime_ns == stamp
    assert run("sparsify", "--sparsify.finetune-steps", "21") == 2
    assert "finetune_steps (20 -> 21)" in capsys.readouterr().err

    assert run("compare") == 0
    lines = Path("runs/tiny/compare/episodes.jsonl").read_text().splitlines()
    assert {json.loads(line)["model"] for line in lines} == {"4", "two"}
    capsys.readouterr()
    assert cli.main(["inspect", "runs/tiny/sparse/0", "--cap", "0"]) == 0
    assert "0 (each one binary" in capsys.readouterr().out
