"""`coverage` on the command line: a run from nothing, a plan, and refusals before anything is."""

from __future__ import annotations

import json

import cli_runs
import pytest

TINY = cli_runs.config("""
task:
  cost: {terms: [{of: observation}], action: {norm: l1, weight: 0.01}}
  constraints: {boxes: [{of: observation, low: -9.0, high: 9.0}], coverage: 0.9}
controllers: {mppi: {samples: 8, iterations: 1}, far: {kind: mppi, samples: 8, horizon: 12}}
online: {rounds: 1, episodes: 2, steps: 3, train_steps: 2,
         controller: {kind: mppi, samples: 8, iterations: 1}}
evaluate: {episodes: 1, steps: 2, workers: 1, engine: serial, clips: 0, planned_states: 1,
           budget: 0.05}
""")


@pytest.fixture
def home(tmp_path, monkeypatch):
    return cli_runs.home(monkeypatch, tmp_path, TINY)


def test_a_run_calibrates_its_own_models_and_a_plan_tells_margins(home, capsys):
    assert cli_runs.run("run") == 0
    folder = home / "runs" / "tiny"
    # The round played with the first model, the comparison is the second's, over two horizons.
    kept = {str(p.relative_to(folder)) for p in folder.rglob("calibration-*")}
    assert kept == {
        "model/calibration-2.safetensors",
        "online/1/calibration-2.safetensors",
        "online/1/calibration-12.safetensors",
    }
    assert "for a coverage of 0.9 by 1000" in " ".join(capsys.readouterr().out.split())
    settings = json.loads((folder / "compare" / "settings.json").read_text())
    assert settings["margins"]["4"]["horizon"] == 12
    assert cli_runs.run("plan") == 0
    out = capsys.readouterr().out
    assert "margins over 2 steps: " in out
    assert "margins over 12 steps: high limit of 'observation'" in out or "low limit" in out


@pytest.mark.parametrize(("value", "why"), [("1.0", "below 1"), ("0.9999", "9999 held-out")])
def test_a_coverage_that_cannot_be_is_refused_before_anything_is_made(home, capsys, value, why):
    assert cli_runs.run("run", "--task.constraints.coverage", value) == 2
    assert why in capsys.readouterr().err
    assert not (home / "runs").exists()
