"""A shield in a comparison: from the YAML file to the table."""

from __future__ import annotations

from pathlib import Path

import cli_runs
import yaml

from sparsectl import evaluate, experiment
from sparsectl.evaluate import table
from sparsectl.evaluate.summary import summarise

SHIELDED = """
task:
  cost: {terms: [{of: observation}], action: {norm: l1, weight: 0.01}}
  constraints: {boxes: [{of: "observation[0]", low: -0.1, high: 0.1}]}
controllers:
  own: {kind: random}
  safe: {kind: shield, seconds: 5, of: {kind: random}}
evaluate: {episodes: 1, steps: 4, workers: 1, engine: serial, planned_states: 0, clips: 0}
"""


def test_a_shield_plays_and_the_table_counts_what_it_did(monkeypatch, tmp_path, capsys):
    cli_runs.home(monkeypatch, tmp_path, cli_runs.config("model: {hidden: [2]}"))
    cli_runs.untrained(Path("net"))
    Path("tiny.yaml").write_text(cli_runs.config(SHIELDED + "model: {from: net}"))
    config = experiment.load("tiny.yaml", {"controllers.safe.margin": 0.1})
    found = evaluate.compare(
        "out", env_id=config.env.id, task=config.task, models={"net": "net"},
        controllers=config.controllers, horizon=config.horizon, config=config.evaluate,
    )  # fmt: skip
    table.show(found)
    shown = capsys.readouterr().out
    for word in ("interv.", "needless", "uncert.", "no constraint on the end of a plan"):
        assert word in " ".join(shown.split())
    rows = found.rows
    played = [r for r in rows if r["controller"] == "safe"]
    plain = [r for r in rows if r["controller"] == "own"]
    assert all(r["shield"]["certified"] + r["statuses"].get("softened", 0) == 4 for r in played)
    assert all("shield" not in r for r in plain)
    lines = {line["controller"]: line for line in summarise(found)}
    assert lines["safe"]["uncertified"] == sum(4 - r["shield"]["certified"] for r in played)
    assert "uncertified" not in lines["own"]


def test_noise_after_a_shield_is_refused_before_anything(monkeypatch, tmp_path, capsys):
    config = yaml.safe_load(cli_runs.config(SHIELDED))
    config["evaluate"]["stall_noise"] = 0.1
    cli_runs.home(monkeypatch, tmp_path, yaml.safe_dump(config))
    assert cli_runs.run("run") == 2
    assert "controllers.safe: evaluate.stall_noise would change" in capsys.readouterr().err
    assert not Path("runs").exists()
