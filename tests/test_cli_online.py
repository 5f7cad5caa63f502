"""Rounds of playing and training on, from the command line."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cli_runs
import numpy as np
import pytest
from cli_runs import run

from sparsectl import data, dynamics
from sparsectl.cli.stages import round_stage
from sparsectl.config import from_dict, load_yaml
from sparsectl.dynamics import fit
from sparsectl.dynamics.kinds import count_relus
from sparsectl.errors import ConfigError
from sparsectl.experiment import Experiment
from sparsectl.files import write_json
from sparsectl.sparsify import losses

pytestmark = pytest.mark.usefixtures("modes_in_a_moment", "figures_in_a_moment")
TINY = cli_runs.config("""
train: {steps: 60, check_every: 20, batch_size: 32, rollout_steps: 1}
online:
  {rounds: 2, episodes: 4, steps: 5, train_steps: 40, repeat: 3,
   controller: {kind: mppi, samples: 16, iterations: 1}}
controllers: {mppi: {samples: 16, iterations: 1}}
evaluate: {episodes: 1, steps: 3, workers: 1, engine: serial, planned_states: 0, clips: 0}
""")
RUN = Path("runs/tiny")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folders after collecting (`data`), training offline (`offline`) and one round (`round`)."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        cli_runs.home(patch, folder, TINY)
        assert run("collect") == 0
        shutil.copytree("runs", "data")
        assert run("train", "--online.rounds", "0") == 0
        shutil.copytree("runs", "offline")
        assert run("train", "--online.rounds", "1") == 0
        Path("runs").rename("round")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    return cli_runs.home(monkeypatch, tmp_path, TINY)


@pytest.fixture
def collected(made, home):
    shutil.copytree(made / "data", home / "runs")


@pytest.fixture
def offline(made, home):
    shutil.copytree(made / "offline", home / "runs")


@pytest.fixture
def after_a_round(made, home):
    shutil.copytree(made / "round", home / "runs")


def weights(path: Path) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in dynamics.load(path)[0].state_dict().items()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(a[k], b[k]) for k in a)


def test_rounds_add_data_and_train_on_and_the_last_model_is_compared(capsys):
    assert run("run") == 0
    assert "online: round 2, 4 episodes with mppi" in capsys.readouterr().err
    recorded = data.list_datasets(RUN / "data")
    assert [name.split("/")[-1] for name in recorded] == ["auto-v0", "online1-v0", "online2-v0"]
    collected, first, second = (data.load_minari(name, RUN / "data") for name in recorded)
    assert len(first) == len(second) == 4
    assert set(first.seeds).isdisjoint(second.seeds)
    assert min(first.seeds) >= 2**30, "evaluations have small seeds"
    _, meta = dynamics.load(RUN / "online" / "2")
    assert meta["transitions"] == sum(
        e.transitions - max(1, round(0.1 * len(e))) * len(e.actions[0])
        for e in (collected, first, second)
    )
    assert [r["dataset_id"] for r in meta["online"]] == recorded[1:]
    assert all(r["error_after"] < r["error_before"] for r in meta["online"])
    offline = weights(RUN / "model")
    last = weights(RUN / "online" / "2")
    assert not same(offline, last)
    assert all(np.array_equal(offline[k], last[k]) for k in offline if "mean" in k or "std" in k)
    compared = json.loads((RUN / "compare" / "settings.json").read_text())
    assert list(compared["models"].values()) == [str(RUN / "online" / "2")]


@pytest.mark.usefixtures("after_a_round")
def test_rounds_that_are_done_are_not_done_again_and_more_can_follow(capsys):
    stamp = (RUN / "online" / "1" / "meta.json").stat().st_mtime_ns
    capsys.readouterr()
    assert run("train") == 0
    said = capsys.readouterr().err
    assert "round 1 done before" in said
    assert "round 2, 4 episodes" in said
    assert (RUN / "online" / "1" / "meta.json").stat().st_mtime_ns == stamp


@pytest.mark.usefixtures("after_a_round")
def test_a_killed_round_gives_the_models_of_one_that_was_not(monkeypatch, made):
    assert run("train") == 0
    whole = weights(RUN / "online" / "2")
    played = (RUN / "online" / "2.json").read_text()

    shutil.copytree(made / "data", "again")
    room = sys.modules["sparsectl.dynamics.train"]
    real = room._Run.save
    calls = iter(range(100))

    def save(self):
        real(self)
        # One for every check and one at the end: four offline, three in round 1, one in round 2.
        if next(calls) == 7:
            raise KeyboardInterrupt

    monkeypatch.setattr(room._Run, "save", save)
    assert run("train", "--runs", "again") == 130
    again = Path("again/tiny/online")
    record = (again / "2.json").read_text()
    assert not (again / "2").exists()
    monkeypatch.setattr(room._Run, "save", real)
    assert run("train", "--runs", "again") == 0
    assert (again / "2.json").read_text() == record, "the round was not played again"
    assert json.loads(record)["transitions"] == json.loads(played)["transitions"]
    assert same(weights(again / "2"), whole)


@pytest.mark.usefixtures("after_a_round")
def test_other_settings_are_refused_and_force_plays_again(capsys):
    before = (RUN / "online" / "1.json").read_text()
    assert run("train", "--online.rounds", "1", "--online.exploration", "0.5") == 2
    assert "online.exploration (0.1 -> 0.5)" in capsys.readouterr().err
    assert run("compare", "--online.rounds", "1", "--horizon", "1") == 2
    assert "horizon (2 -> 1)" in capsys.readouterr().err
    assert (RUN / "online" / "1.json").read_text() == before
    assert run("train", "--online.rounds", "1", "--online.exploration", "0.5", "--force") == 0
    after = json.loads((RUN / "online" / "1.json").read_text())
    assert (json.loads(before)["exploration"], after["exploration"]) == (0.1, 0.5)


def test_a_round_knows_what_is_in_the_checkpoints_and_the_code_that_its_planner_reads(
    home, monkeypatch
):
    monkeypatch.syspath_prepend(home)
    read = [home / RUN / "learnt" / "meta.json", home / "value" / "meta.json"]
    for path in read:
        write_json(path, {"sha256": {"model": "before"}})
    code = home / "own_of_a_round.py"
    code.write_text("act = len\n")
    for changed, path in [(read[0], "learnt"), (read[1], "learnt"), (code, "own_of_a_round:act")]:
        asked = from_dict(Experiment, load_yaml("tiny.yaml"), "test")
        entry = {"kind": "policy", "path": path}
        asked = replace(
            asked,
            online=replace(asked.online, controller=entry),
            task=replace(asked.task, cost=replace(asked.task.cost, value="value")),
        )
        stage = round_stage(asked, RUN, 1)
        stage.mark(done=True)
        assert round_stage(asked, RUN, 1).check(False) == "done"
        changed.write_text(changed.read_text().replace("before", "after") + "\n")
        with pytest.raises(ConfigError, match="what is at a path that online"):
            round_stage(asked, RUN, 1).check(False)


@pytest.mark.usefixtures("offline")
def test_without_rounds_there_is_nothing_of_them(capsys):
    assert not (RUN / "online").exists()
    assert run("compare", "--online.rounds", "0") == 0
    assert run("compare") == 2
    assert "no model for this config in 'runs/tiny/online/2'" in capsys.readouterr().err


@pytest.mark.usefixtures("after_a_round")
def test_the_sparsifier_takes_the_data_of_all_rounds_as_often_as_they_count(monkeypatch):
    given, taken = Counter(), fit.trajectories

    def trajectories(*args):
        data = taken(*args)
        given.update(states.tobytes() for states in data[0].states)
        return data

    module = importlib.import_module("sparsectl.sparsify.sparsify")
    monkeypatch.setattr(module, "trajectories", trajectories)
    steps = ("--sparsify.initial-steps", "20", "--sparsify.removal-steps", "5")
    counts = ("--sparsify.counts", "2", *steps)
    more = ("--sparsify.finetune-steps", "5", "--sparsify.stride", "0.5")
    assert run("sparsify", "--online.rounds", "1", *counts, *more) == 0
    meta = dynamics.load(RUN / "sparse" / "2")[1]
    assert meta["dataset_id"].endswith("online1-v0")
    assert set(given.values()) == {1, 3}


@pytest.mark.usefixtures("offline")
def test_training_may_start_from_another_runs_model(capsys):
    first, start = weights(RUN / "model"), ("--start", str(RUN / "model"), "--name", "on")
    rest = (*start, "--online.rounds", "0", "--train.learning-rate", "1e-12")
    assert run("collect", *rest) == 0
    assert run("train", *rest) == 0
    on = weights(Path("runs/on/model"))
    assert all(np.allclose(on[k], first[k], atol=1e-8) for k in first)
    assert dynamics.load("runs/on/model")[1]["start"] == str(RUN / "model")
    assert run("train", "--online.rounds", "0", "--seed", "1", "--force") == 2  # no such data
    capsys.readouterr()
    assert run("collect", "--seed", "1", "--force") == run("train", "--seed", "1", "--force") == 0
    capsys.readouterr()
    assert run("train", *rest) == 2
    assert "start.sha256" in capsys.readouterr().err
    assert run("train", "--start", "nowhere") == 2
    assert "start: no checkpoint in 'nowhere'" in capsys.readouterr().err
    assert run("run", *start, "--name", "other", "--model.hidden", "5") == 2
    assert "its model's hidden is [4], here [5]" in capsys.readouterr().err


@pytest.mark.usefixtures("offline")
def test_a_sparse_member_trains_on_from_what_its_own_planner_drove(capsys, monkeypatch):
    """It was refused, and as `start` needed the widths of its channels and a training before."""
    less = ("--sparsify.removal-steps", "5", "--sparsify.finetune-steps", "5")
    counts = ("--sparsify.counts", "2", "--sparsify.initial-steps", "5", "--sparsify.stride", "0.9")
    penalties = ("--sparsify.relaxation-penalty", "0.05", "--sparsify.mode-penalty", "0.1")
    assert run("sparsify", "--online.rounds", "0", *counts, *less, *penalties) == 0
    objectives = set()
    real = losses.Objective.__call__
    watch = lambda self, *args: objectives.add(self) or real(self, *args)  # noqa: E731
    monkeypatch.setattr(losses.Objective, "__call__", watch)
    member, mip = RUN / "sparse" / "2", "{kind: mip, nodes: 20, starts: []}"
    given = ("--name", "on", "--model.from", str(member), "--online.controller", mip)
    assert run("train", *given, "--online.rounds", "1") == 2  # before a round is played
    assert "no transitions for this config" in capsys.readouterr().err
    assert not Path("runs/on").exists()
    assert run("run", *given, "--online.rounds", "1") == 0
    said = capsys.readouterr().err
    assert "online: round 1, 4 episodes with mip" in said
    assert objectives == {losses.Objective("huber", modes=0.1, relaxation=0.05)}, "penalties stay"
    after, meta = dynamics.load("runs/on/online/1")
    before = dynamics.load(member)[0]
    assert count_relus(after) == count_relus(before) == 2
    assert all((a == b).all() for a, b in zip(after.kinds, before.kinds, strict=True))
    assert not same(weights(member), weights(Path("runs/on/online/1")))
    assert meta["online"][0]["error_after"] < meta["online"][0]["error_before"]
    compared = json.loads(Path("runs/on/compare/settings.json").read_text())
    assert list(compared["models"].values()) == ["runs/on/online/1"]
    assert run("train", *given, "--online.rounds", "1") == 0
    assert "round 1 done before" in capsys.readouterr().err
    shutil.copytree(RUN / "model", member, dirs_exist_ok=True)
    assert run("train", *given, "--online.rounds", "1") == 2
    assert "model.sha256" in capsys.readouterr().err
