"""A controller with a sparse model, from the command line: found in the run's folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cli_runs
import pytest
from cli_runs import run

TINY = cli_runs.config("""
train: {steps: 20, check_every: 20, batch_size: 32, rollout_steps: 2}
controllers:
  both: {kind: two_models, sparse: sparse/4, mip: {nodes: 5}, cem: {samples: 16, elites: 4}}
evaluate: {episodes: 1, steps: 2, workers: 1, engine: serial, planned_states: 0, clips: 0}
""")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    cli_runs.home(monkeypatch, tmp_path, TINY)


def test_plan_and_compare_find_the_sparse_model_or_say_that_it_is_missing(capsys):
    assert run("collect") == 0
    assert run("train") == 0
    capsys.readouterr()
    for command in ("plan", "compare"):
        assert run(command) == 2
        error = capsys.readouterr().err
        assert "controllers.both.sparse" in error
        assert "sparse/4" in error
    assert not Path("runs/tiny/plans").exists()
    assert not Path("runs/tiny/compare").exists()

    shutil.copytree("runs/tiny/model", "runs/tiny/sparse/4")
    assert run("plan", "--seconds", "0.2") == 0
    assert "two_models" in capsys.readouterr().out
    found = json.loads(Path("runs/tiny/plans/episode-0/plan.json").read_text())
    assert found["plans"]["both"]["info"]["sparse_status"] in ("optimal", "feasible")
    assert run("compare", "--controllers.both.share", "0.4") == 0
    line = json.loads(Path("runs/tiny/compare/episodes.jsonl").read_text().splitlines()[0])
    assert (line["controller"], line["sources"]) == ("both", {"two_models": 2})


def test_help_shows_the_settings_of_both_parts(capsys):
    with pytest.raises(SystemExit):
        run("compare", "--help")
    out = capsys.readouterr().out
    for word in ("both.sparse", "both.share", "both.mip.nodes", "both.gradient.near"):
        assert f"--controllers.{word}" in out
