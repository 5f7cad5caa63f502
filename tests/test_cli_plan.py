"""`sparsectl plan` and the modes of `sparsectl inspect`, on a tiny run."""

import json
import re
import shutil
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import yaml

from sparsectl import cli
from sparsectl.cli.plan import _print
from sparsectl.evaluate.regret import Regret
from sparsectl.types import Plan, Status

TINY = cli_runs.config("""
model: {hidden: [6]}
horizon: 3
controllers:
  mip: {nodes: 50}
  mppi: {samples: 16, iterations: 1}
  convex: {kind: relaxation, polish: 3}
""")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    common = ("--config", str(folder / "tiny.yaml"), "--runs", str(folder / "runs"))
    assert cli.main(["collect", *common]) == 0
    assert cli.main(["train", *common]) == 0
    return folder


@pytest.fixture
def home(trained, tmp_path, monkeypatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return cli_runs.home(monkeypatch, tmp_path, TINY)


def plan(*words: str) -> int:
    return cli_runs.run("plan", *words)


def test_a_policy_is_followed_over_the_horizon_so_that_costs_compare(home):
    """Its own plan is one step, which costs less than any plan of three."""
    (home / "still_of_mine.py").write_text("def act(observation):\n    return [0.0]\n")
    (home / "tiny.yaml").write_text(TINY + '  still: {kind: policy, path: "still_of_mine:act"}\n')
    assert plan("--only", "mip", "still") == 0
    found = json.loads((home / "runs/tiny/plans/episode-0/plan.json").read_text())["plans"]
    assert np.shape(found["still"]["actions"]) == np.shape(found["mip"]["actions"])
    assert found["still"]["cost"] >= found["mip"]["cost"] - 1e-6


def test_plans_prints_and_writes(home, capsys):
    assert plan() == 0
    out = capsys.readouterr().out
    for word in ("mip", "mppi", "convex", "optimal", "heuristic", "gap", "time [s]"):
        assert word in out
    folder = home / "runs/tiny/plans/episode-0"
    found = json.loads((folder / "plan.json").read_text())
    mip, convex = found["plans"]["mip"], found["plans"]["convex"]
    assert convex["bound"] <= mip["cost"] + 1e-6
    assert mip["cost"] <= min(p["cost"] for p in found["plans"].values()) + 1e-6
    assert np.shape(mip["actions"]) == (3, np.shape(mip["actions"])[1])
    assert (folder / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_only_some_from_another_start_somewhere_else(home, capsys):
    assert plan("--only", "convex", "--episode", "1", "--seconds", "0.5", "--out", "here") == 0
    assert "mppi" not in capsys.readouterr().out
    found = json.loads(Path("here/plan.json").read_text())
    assert list(found["plans"]) == ["convex"]
    assert plan("--only", "convex", "--out", "there") == 0
    assert json.loads(Path("there/plan.json").read_text())["observation"] != found["observation"]
    assert not (home / "runs/tiny/plans").exists()


def test_results_are_not_overwritten_silently(home, capsys):
    assert plan("--only", "convex") == 0
    before = Path("runs/tiny/plans/episode-0/plan.json").read_text()
    assert plan("--only", "mppi") == 2
    assert "--force" in capsys.readouterr().err
    assert Path("runs/tiny/plans/episode-0/plan.json").read_text() == before
    assert plan("--only", "mppi", "--force") == 0
    assert Path("runs/tiny/plans/episode-0/plan.json").read_text() != before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--only", "mppj"), "did you mean 'mppi'"),
        (("--episode", "-1"), "--episode is -1"),
        (("--seconds", "0"), "--seconds is 0"),
        (("--name", "other"), "sparsectl train"),
        (("--model.hidden", "4"), "model.hidden ([6] -> [4])"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(home, capsys, words, says):
    assert plan(*words) == 2
    assert says in capsys.readouterr().err
    assert not (home / "runs/tiny/plans").exists()
    assert not (home / "runs/other").exists()


def test_an_infeasible_decision_is_an_answer(home, capsys):
    config = yaml.safe_load(TINY)
    far = {"of": "observation", "low": 50.0, "high": 60.0}
    config["task"]["constraints"] = {"boxes": [far]}
    config["controllers"]["mip"] = {"soft_penalty": None}
    Path("tiny.yaml").write_text(yaml.safe_dump(config))
    assert plan("--only", "mip") == 0
    out = capsys.readouterr().out
    assert "infeasible" in out
    assert "limit" in out
    found = json.loads(Path("runs/tiny/plans/episode-0/plan.json").read_text())
    assert found["plans"]["mip"]["cost"] is None


def test_inspect_counts_modes_of_a_run(home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert cli.main(["inspect", "runs/tiny"]) == 0
    out = capsys.readouterr().out
    assert "inputs are what the ReLUs see" in out
    rows = [
        line.split("│")[1:-1] for line in out[out.index("modes (") :].splitlines() if "│" in line
    ]
    counts = np.array([[int(c) for c in row] for row in rows])
    assert counts[:, 0].tolist() == [0, 1, 2]
    _, _, box, reached, sampled = counts.T
    assert (sampled <= reached).all()
    assert (reached <= box).all()
    assert box[0] == reached[0]


def test_inspect_says_when_it_stopped_counting_or_cannot(home, capsys):
    assert cli.main(["inspect", "runs/tiny/model", "--cap", "1"]) == 0
    assert re.search(r"≥ \d", capsys.readouterr().out)
    assert cli.main(["inspect", "runs/tiny", "--cap", "0"]) == 0
    assert "modes (" not in capsys.readouterr().out
    shutil.copytree("runs/tiny/model", "alone/model")
    assert cli.main(["inspect", "alone"]) == 0
    assert "no config.yaml" in capsys.readouterr().err
    text = Path("runs/tiny/config.yaml").read_text()
    Path("runs/tiny/config.yaml").write_text(text.replace("PiecewiseAffine", "PiecewiseAfine"))
    assert cli.main(["inspect", "runs/tiny"]) == 0
    assert "did you mean" in capsys.readouterr().err
    assert cli.main(["inspect", "runs/tiny", "--seconds", "0"]) == 2


def test_what_a_softened_plan_violates_is_said(capsys):
    info = {"softened": "no plan can satisfy the wall", "violation": 2.5}
    info["violated"] = {"constraint": "high limit of 'x'[0]", "step": 3, "by": 1.25}
    plan = Plan(np.zeros((3, 1)), np.zeros((4, 1)), Status.SOFTENED, 7.0, source="mip", info=info)
    _print({"mip": plan}, Regret())
    printed = capsys.readouterr().out
    assert "softened" in printed
    assert "optimal" not in printed
    assert "mip: no plan can satisfy the wall (a plan that pays for violating" in printed
    assert "mip: violates most the high limit of 'x'[0] at step 3 by 1.25" in printed
