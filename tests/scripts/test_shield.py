"""The study of shields, on a tiny task with a model that is not trained."""

from __future__ import annotations

from pathlib import Path

import cli_runs

from scripts.closed_loop import shield
from sparsectl.files import read_json_lines

TINY = """
task:
  cost: {terms: [{of: observation}], action: {norm: l1, weight: 0.01}}
  constraints: {boxes: [{of: observation, low: -3.0, high: 3.0}]}
model: {from: net}
controllers: {own: {kind: random}, safe: {kind: shield, seconds: null, of: {kind: random}}}
evaluate: {episodes: 2, steps: 3, budget: 5}
"""


def test_plays_in_simulation_and_under_the_model_once(tmp_path, monkeypatch):
    cli_runs.home(monkeypatch, tmp_path, cli_runs.config("model: {hidden: [2]}"))
    cli_runs.untrained(Path("net"))
    Path("tiny.yaml").write_text(cli_runs.config(TINY))
    words = ["--tasks", "tiny.yaml", "--out", "rows.jsonl", "--under-model", "1", "--clock", "wall"]
    assert shield.main(words) == 0
    rows = read_json_lines(tmp_path / "rows.jsonl")
    assert [(r["plant"], r["who"]) for r in rows] == [
        *[("simulation", "own"), ("simulation", "safe")] * 2, ("model", "safe")
    ]  # fmt: skip
    assert all("without" in r for r in rows if r["who"] == "safe")
    assert rows[-1]["violated"] == 0
    assert "| tiny.yaml | model | safe | 1 | 3 | 0 | 0.0 |" in (tmp_path / "rows.md").read_text()
    written = (tmp_path / "rows.jsonl").read_bytes()
    assert shield.main(words) == 0
    assert (tmp_path / "rows.jsonl").read_bytes() == written
