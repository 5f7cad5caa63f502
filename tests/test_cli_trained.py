"""Models that were trained before: under other goals and costs, and members of a family."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import yaml

from sparsectl import cli, dynamics

pytestmark = pytest.mark.usefixtures("modes_in_a_moment", "figures_in_a_moment")
TINY = cli_runs.config("""
model: {hidden: [6]}
controllers: {mip: {nodes: 50, starts: []}, mppi: {samples: 16, iterations: 1}}
evaluate: {episodes: 2, steps: 4, workers: 1, engine: serial, planned_states: 2, clips: 0}
""")
OTHER = yaml.safe_load(TINY) | {
    "name": "other",
    "task": {"cost": {"terms": [{"of": "observation", "norm": "l2sq", "target": 0.3}]}},
    "model": {"from": "runs/tiny/model"},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    common = ("--config", str(folder / "tiny.yaml"), "--runs", str(folder / "runs"))
    assert cli.main(["collect", *common]) == 0
    assert cli.main(["train", *common]) == 0
    model, meta = dynamics.load(folder / "runs/tiny/model")
    for value in model.parameters():
        value.mul_(0.5)
    dynamics.save(model, folder / "runs/tiny/sparse/3", meta)
    return folder


@pytest.fixture
def _home(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    cli_runs.home(monkeypatch, tmp_path, TINY)
    Path("other.yaml").write_text(yaml.safe_dump(OTHER))


@pytest.mark.usefixtures("_home")
def test_another_goal_needs_no_training(capsys):
    assert cli.main(["run", "--config", "other.yaml"]) == 0
    assert "train: nothing to do, the model is 'runs/tiny/model'" in capsys.readouterr().err
    folder = Path("runs/other")
    assert not (folder / "model").exists()
    assert not (folder / "data").exists()
    assert len((folder / "compare/episodes.jsonl").read_text().splitlines()) == 4
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["model"] == {"from": "runs/tiny/model"}
    assert cli.main(["plan", "--config", "runs/other/config.yaml", "--only", "mip"]) == 0
    assert cli.main(["train", "--config", "other.yaml"]) == 0


@pytest.mark.usefixtures("_home")
def test_an_option_takes_a_trained_model_and_an_own_architecture_is_no_option_then(capsys):
    common = ("run", "--config", "tiny.yaml", "--name", "third", "--model.from")
    assert cli.main([*common, "runs/tiny/sparse/3"]) == 0
    assert "the model is 'runs/tiny/sparse/3'" in capsys.readouterr().err


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"from": "runs/tiny/modle"}}, "has no 'modle' (did you mean 'model'?)"),
        ({"model": {"from": "runs/tiny"}}, "but in it: 'runs/tiny/model', 'runs/tiny/sparse/3'"),
        ({"model": {"from": "runs/tiny/model", "predict": "next"}}, "did you mean 'predicts'?"),
        ({"model": {"from": "other.yaml"}}, "'other.yaml' is a file: an ONNX file needs"),
        (
            {"task": {"observation": {"state": {"a": "0"}}, "cost": {"terms": [{"of": "a"}]}}},
            "'runs/tiny/model' has",
        ),
        ({"env": {"id": "InvertedPendulum-v5"}}, "was trained for 'sparsectl/PiecewiseAffine-v0'"),
        ({"start": "runs/tiny/model"}, "model.from takes a model as it is"),
        ({"model": {"from": "runs/tiny/model", "hidden": [3]}}, "unknown key 'hidden'"),
    ],
)
def test_a_model_that_does_not_fit_is_one_clear_error_before_anything_is_created(
    change, said, capsys
):
    Path("other.yaml").write_text(yaml.safe_dump(OTHER | change))
    assert cli.main(["run", "--config", "other.yaml"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not Path("runs/other").exists()


@pytest.mark.usefixtures("_home")
def test_other_arguments_of_the_environment_are_told(capsys):
    assert cli_runs.run("train", "--model.from", "runs/tiny/model") == 0
    assert "other env.kwargs" not in capsys.readouterr().err
    words = ("--env.kwargs.max_episode_steps", "9", "--env.kwargs.delay", "{actions: 1}")
    assert cli_runs.run("train", "--model.from", "runs/tiny/model", *words) == 0
    assert "other env.kwargs, and predicts what those do: max_ep" in capsys.readouterr().err


@pytest.mark.usefixtures("_home")
def test_plan_with_a_member():
    words = ("--only", "mip", "--evaluate.models.small", "sparse/3")
    assert cli_runs.run("plan", *words) == 0
    assert cli_runs.run("plan", *words, "--model", "sparse/3") == 0
    assert cli_runs.run("plan", *words, "--model", "small") == 0
    plans = Path("runs/tiny/plans")
    own, member, named = (
        json.loads((plans / where / "episode-0/plan.json").read_text())["plans"]["mip"]["states"]
        for where in ("", "sparse-3", "small")
    )
    assert member == named
    assert not np.allclose(own, member)


@pytest.mark.usefixtures("_home")
def test_plan_names_the_nearest_member(capsys):
    assert cli_runs.run("plan", "--model", "sparse/4") == 2
    assert "did you mean 'sparse/3'?" in capsys.readouterr().err


FAMILY = yaml.safe_load(TINY) | {
    "name": "family",
    "sparsify": {"counts": [3], "hidden": [], "removal_steps": 10, "finetune_steps": 10},
    "controllers": {"mip": {"nodes": 50, "starts": [], "models": ["few"]}, "zero": {}},
}


@pytest.mark.usefixtures("_home")
def test_a_run_makes_the_members_that_it_compares(capsys):
    FAMILY["evaluate"] |= {"models": {"few": "sparse/3"}}
    Path("family.yaml").write_text(yaml.safe_dump(FAMILY))
    assert cli.main(["run", "--config", "family.yaml"]) == 0
    lines = Path("runs/family/compare/episodes.jsonl").read_text().splitlines()
    played = {(r["model"], r["controller"]) for r in map(json.loads, lines)}
    assert played == {("6", "zero"), ("few", "mip"), ("few", "zero")}
    capsys.readouterr()
    assert cli.main(["run", "--config", "family.yaml"]) == 0
    assert "done before" in capsys.readouterr().err


@pytest.mark.usefixtures("_home")
def test_a_member_that_no_stage_makes_is_refused_before_anything_is_created(capsys):
    FAMILY["evaluate"] |= {"models": {"few": "sparse/4"}}
    Path("family.yaml").write_text(yaml.safe_dump(FAMILY))
    assert cli.main(["run", "--config", "family.yaml"]) == 2
    assert "no checkpoint in 'sparse/4', and sparsify makes none" in capsys.readouterr().err
    assert not Path("runs/family").exists()
