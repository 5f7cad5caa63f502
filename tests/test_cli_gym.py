"""Discrete tasks of Gymnasium from YAML alone, to the end and in seconds: short budgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparsectl import cli, data

pytestmark = pytest.mark.usefixtures("modes_in_a_moment")
CHEAP = {
    "evaluate.episodes": 1,
    "evaluate.workers": 1,
    "evaluate.engine": "serial",
    "evaluate.clips": 0,
    "evaluate.planned_states": 1,
    "evaluate.budget": "None",
    "train.check_every": 200,
    "sparsify.removal_steps": 20,
    "sparsify.finetune_steps": 200,
    "controllers.mppi.samples": 64,
    "controllers.mppi.iterations": 2,
    "controllers.cem.samples": 64,
    "controllers.cem.iterations": 2,
    "controllers.mip.explore": 0,
    "controllers.mip.seconds": 0.05,
}
TASKS = {
    # A random policy falls after some 20 steps.
    "gym_cartpole": (
        2,
        {"data.transitions": 1000, "train.steps": 200, "evaluate.steps": 25, "horizon": 4},
    ),
    # From the bottom, a car that only pushes stays far from the goal within so many steps.
    "gym_mountaincar": (
        3,
        {"data.transitions": 2000, "train.steps": 200, "evaluate.steps": 3, "horizon": 20},
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_discrete_task_runs_to_its_end(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    levels, changes = TASKS[name]
    words = [w for k, v in {**CHEAP, **changes}.items() for w in (f"--{k}", str(v))]
    assert cli.main(["run", "--config", name, *words]) == 0
    assert "not complete" not in capsys.readouterr().out
    run = Path("runs") / name
    (dataset,) = data.list_datasets(run / "data")
    recorded = data.load_minari(dataset, run / "data").actions
    drawn = {float(a) for rows in recorded for a in rows[:, 0]}
    assert drawn == set(range(levels))
    rows = [json.loads(line) for line in (run / "compare/episodes.jsonl").read_text().splitlines()]
    players = {(row["model"], row["controller"]) for row in rows}
    own = {"gym_cartpole": "16", "gym_mountaincar": "8"}[name]
    assert players == {("sparse", "mip"), ("sparse", "mppi"), ("sparse", "cem"), (own, "cem")}
    for row in rows:
        assert row["outcome"] == "finished", row["message"]
        assert row["steps"] == changes["evaluate.steps"]
        assert row["clipped_actions"] == 0
