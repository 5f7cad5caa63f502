"""Results belong to the settings and the model that they were made with, and to nothing else."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cli_runs
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
sys.path.insert(0, str(Path(__file__).parents[1] / "continual"))
from synthetic_env import ENV, TASK, save_model

from sparsectl import checkpoint, control, dynamics, environment, runs
from sparsectl.cli import planner
from sparsectl.cli.stages import Stage
from sparsectl.continual import closed_loop
from sparsectl.errors import ConfigError
from sparsectl.evaluate import EvaluateConfig, compare, report, results
from sparsectl.evaluate.player import Player, Setting
from sparsectl.files import FileError, read_json_lines
from sparsectl.task import ConstraintsConfig
from sparsectl.task.constraints import BoxConfig, KeepOutConfig

pytestmark = pytest.mark.usefixtures("modes_in_a_moment", "figures_in_a_moment")
PARTS = """
controllers: {zero: {}, mppi: {samples: 8, iterations: 1}}
evaluate: {episodes: 1, steps: 2, workers: 1, engine: serial, clips: 0, planned_states: 0,
           budget: null}
"""
CONFIG = EvaluateConfig(
    episodes=1, steps=2, budget=None, engine="serial", clips=0, planned_states=0
)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def home(tmp_path, monkeypatch):
    return cli_runs.home(monkeypatch, tmp_path, cli_runs.config(PARTS))


def test_a_refused_compare_changes_no_byte_of_the_run(home, capsys):
    assert cli_runs.run("run") == 0
    before = content(home / "runs" / "tiny")
    for words in (
        ["--controllers.mppi.samples", "9"],  # results of another configuration are there
        ["--evaluate.models.other", "nowhere"],
        ["--train.steps", "41"],  # no model of this config
    ):
        text = cli_runs.config(PARTS)
        if words[0].startswith("--controllers"):
            Path("tiny.yaml").write_text(text.replace("samples: 8", "samples: 9"))
            words = []
        elif words[0].startswith("--evaluate"):
            Path("tiny.yaml").write_text(text.replace("episodes: 1", "models: {o: nowhere}"))
            words = []
        for command in ("compare", "run"):
            assert cli_runs.run(command, *words) == 2, (command, words)
            assert content(home / "runs" / "tiny") == before, (command, words)
        Path("tiny.yaml").write_text(text)


@pytest.mark.parametrize("command", ["compare", "sparsify", "train"])
def test_a_refused_command_makes_no_folder(home, command):
    assert cli_runs.run(command) == 2
    assert not (home / "runs" / "tiny").exists()


def options(model: Path, **changes):
    given = {"env_id": ENV, "task": TASK, "models": {"exact": model}, "controllers": {"zero": {}}}
    return {**given, "horizon": 2, "config": CONFIG, **changes}


def test_a_line_torn_by_a_kill_is_gone_after_the_next_run(tmp_path):
    model, folder = save_model(tmp_path / "model"), tmp_path / "compare"
    first = compare(folder, **options(model))
    path = folder / "episodes.jsonl"
    line = path.read_text()
    for torn in (line[: len(line) // 2], line[:-2] + "\n"):
        path.write_text(line + torn)
        compare(folder, **options(model))
        assert path.read_text() == line
    path.write_text(line[: len(line) // 2])  # the only line: its unit is played again
    compare(folder, **options(model))
    assert len(path.read_text().splitlines()) == 1
    assert json.loads(path.read_text())["errors"] == first.rows[0]["errors"]


def test_one_meaning_in_two_spellings_is_one_comparison(tmp_path):
    model, folder = save_model(tmp_path / "model"), tmp_path / "compare"
    entries = [
        {"mppi": {"samples": 8, "temperature": 1}},
        {"mppi": {"temperature": 1.0, "samples": 8, "kind": "mppi", "horizon": 2}},
        {"mppi": {"samples": 8, "temperature": 1.0, "iterations": 4}},
    ]
    entries[2]["mppi"]["iterations"] = control.config_class("mppi")().iterations
    for entry in entries:
        compare(folder, **options(model, controllers=entry))
    assert len(read_json_lines(folder / "episodes.jsonl")) == 1
    with pytest.raises(FileError, match="another configuration"):
        compare(folder, **options(model, controllers={"mppi": {"samples": 8, "temperature": 2}}))


def test_an_episode_limit_that_is_given_is_the_environments_own(tmp_path):
    model, folder = save_model(tmp_path / "model"), tmp_path / "compare"
    limit = compare(folder, **options(model, config=replace(CONFIG, steps=None))).rows[0]["steps"]
    compare(folder, **options(model, config=replace(CONFIG, steps=limit)))
    assert len(read_json_lines(folder / "episodes.jsonl")) == 1


def test_results_that_the_version_before_keyed_go_on_being_theirs(tmp_path):
    model, folder = save_model(tmp_path / "model"), tmp_path / "compare"
    found = compare(folder, **options(model))
    from sparsectl.evaluate.comparison import prepare

    earlier = prepare(tmp_path / "none", **options(model)).players[0].earlier_keys(CONFIG.steps)[1]
    row = json.loads((folder / "episodes.jsonl").read_text())
    assert row["key"] != earlier
    (folder / "episodes.jsonl").write_text(json.dumps({**row, "key": earlier}) + "\n")
    again = compare(folder, **options(model))
    assert [r["errors"] for r in again.rows] == [r["errors"] for r in found.rows]
    assert len(read_json_lines(folder / "episodes.jsonl")) == 1


@pytest.mark.parametrize(
    ("limits", "written"),
    [
        (ConstraintsConfig(), "16105bcc6cfaafa0"),
        (ConstraintsConfig([BoxConfig("point", -1, 1)]), "3df12e478d0f56b2"),
    ],
)
def test_what_tasks_could_not_say_then_is_no_part_of_earlier_keys(limits, written):
    """Digests as version 0.1 wrote them."""
    setting = Setting(ENV, {}, replace(TASK, constraints=limits), 2, 5, None, 0)
    assert Player(setting, "m", "x", "zero", {}, "d").earlier_keys(5)[1] == written


def test_keep_outs_between_steps_are_others_than_those_at_steps():
    """The field has a default, and results that were made without it held at steps only."""
    region = KeepOutConfig("point", box=(0, 0, 1, 1))
    keys = []
    for between in (False, True):
        limits = ConstraintsConfig(keep_out=[replace(region, between=between)])
        setting = Setting(ENV, {}, replace(TASK, constraints=limits), 2, 5, None, 0)
        keys.append(Player(setting, "m", "x", "zero", {}, "d").key)
    assert keys[1] != keys[0]
    assert keys[1] != "d4d54e68a10a271b"


def test_pictures_of_an_older_model_do_not_stand_beside_new_rows(tmp_path):
    folder, config = tmp_path / "compare", replace(CONFIG, clips=1)
    before = compare(folder, **options(save_model(tmp_path / "model"), config=config))
    assert before.clip(before.rows[0], "clip.webp")
    moved = retrained(tmp_path / "model")
    blind = options(moved, config=config, env_kwargs={"blind": True}, force=True)
    after = compare(folder, **blind)
    assert after.clip(after.rows[0], "clip.webp") is None
    assert "no OpenGL" in report.write(folder).read_text()
    assert results.read(folder).rows == after.rows


def retrained(path: Path) -> Path:
    """The same checkpoint folder with other weights."""
    model, meta = dynamics.load(path)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01)
    kept = {k: v for k, v in meta.items() if k not in ("kind", "sha256")}
    dynamics.save(model, path, kept)
    return path


def test_results_of_an_older_model_are_not_a_newer_ones(tmp_path):
    model, folder = save_model(tmp_path / "model"), tmp_path / "compare"
    compare(folder, **options(model))
    with pytest.raises(FileError, match="model or policy"):
        compare(folder, **options(retrained(model)))
    compare(folder, **options(model), force=True)
    assert len(read_json_lines(folder / "episodes.jsonl")) == 1
    assert len(read_json_lines(folder / "episodes.1.jsonl")) == 1


def test_what_another_code_of_the_environment_gave_does_not_count(tmp_path, monkeypatch):
    base, own, given = (tmp_path / n for n in ("base_of_mine.py", "env_of_mine.py", "plant.xml"))
    helpers = [
        tmp_path / n
        for n in ("gain_of_mine.py", "physics_of_mine/__init__.py", "physics_of_mine/drag.py")
    ]
    helpers[1].parent.mkdir()
    helpers[0].write_text("from physics_of_mine import drag\nGAIN = 1\n")
    helpers[1].write_text("from . import drag\n")
    helpers[2].write_text("import gain_of_mine\n")
    base.write_text(
        "import gymnasium\nclass Base(gymnasium.Env):\n    from gain_of_mine import GAIN\n"
    )
    own.write_text("from base_of_mine import Base\nclass Mine(Base):\n    pass\n")
    given.write_text("<mujoco/>")
    monkeypatch.syspath_prepend(tmp_path)
    setting = Setting("env_of_mine:Mine", {"xml_file": str(given)}, TASK, 2, 5, None, 0)
    player, stage = Player(setting, "m", "x", "zero", {}, "d"), Stage("collect", tmp_path, {})
    keys, before = [player.key], player.earlier_keys(5)
    for path in (base, own, given, *helpers):
        stage = replace(stage, config={"code": environment.code(*facts(setting))})
        stage.mark(done=True)
        path.write_text(path.read_text() + "\n")
        with pytest.raises(ConfigError, match="another config: the code of the environment"):
            replace(stage, config={"code": environment.code(*facts(setting))}).check(False)
        keys.append(player.key)
    assert len({*keys}) == 7
    assert player.earlier_keys(5) == before
    assert environment.code("sparsectl/Rope-v0") is environment.code("Reacher-v5") is None
    # What was made before it was written down goes on.
    replace(stage, config={}).mark(done=True)
    assert stage.check(False) == "done"


def test_labels_know_what_the_value_at_the_end_of_plans_holds(tmp_path):
    cost = replace(TASK.cost, value=str(tmp_path / "value"))
    setting = Setting(ENV, {}, replace(TASK, cost=cost), 2, 5, None, 0)
    player, found = Player(setting, "m", "x", "zero", {}, "d"), []
    for weight in (1.0, 1.0, 2.0):
        checkpoint.save_tensors(cost.value, {"w": np.array([weight])}, {})
        found.append(planner.facts(SimpleNamespace(env={}, seed=0), player))
    assert runs.changes(found[0], found[1]) == []
    assert "end_value" in runs.changes(found[1], found[2])[0]


def facts(setting: Setting):
    return setting.env_id, setting.env_kwargs


@pytest.fixture
def learners(tmp_path):
    """A finished run of two learners on two bodies, and its closed loop."""
    from test_closed_loop import SETTINGS

    from sparsectl.config import from_dict
    from sparsectl.continual.experiment import ContinualExperiment
    from sparsectl.continual.run import run
    from sparsectl.continual.streams import build

    def go(epochs: int, **more):
        experiment = from_dict(ContinualExperiment, {**SETTINGS, "epochs": epochs})
        assert run(experiment, tmp_path / "tiny", progress=False, **more) == []
        return experiment, build(experiment.stream, 0, tmp_path / "streams")

    return tmp_path / "tiny", go


def test_a_closed_loop_counts_for_the_networks_that_played_it(learners):
    folder, go = learners
    experiment, stream = go(1)
    labels = ["field", "finetune"]
    wanted = closed_loop.jobs(folder, stream, labels, [0])
    old = closed_loop.run(folder, experiment.control, stream, wanted)
    digests = {checkpoint.content(j.checkpoint(stream))["model.safetensors"] for j in wanted}
    go(3, force=True)
    assert digests.isdisjoint(
        {checkpoint.content(j.checkpoint(stream))["model.safetensors"] for j in wanted}
    )
    # Only one learner is asked for: nothing of the other one's old networks counts either.
    some = closed_loop.run(folder, experiment.control, stream, wanted[:3])
    assert {r["label"] for r in some} == {"field"}
    new = closed_loop.run(folder, experiment.control, stream, wanted)
    assert len(new) == len(old)
    assert {r["key"] for r in new}.isdisjoint({r["key"] for r in old})
    assert [r["return"] for r in new] != [r["return"] for r in old]
    assert len(read_json_lines(folder / "control.1.jsonl")) == len(old)
    played = []
    closed_loop.run(folder, experiment.control, stream, wanted, on_row=played.append)
    assert not played


def test_a_torn_episode_of_a_closed_loop_is_played_again(learners):
    folder, go = learners
    experiment, stream = go(1)
    wanted = closed_loop.jobs(folder, stream, ["field"], [0])[:1]
    old = closed_loop.run(folder, experiment.control, stream, wanted)
    path = folder / "control.jsonl"
    path.write_text(path.read_text()[:-20])
    assert closed_loop.run(folder, experiment.control, stream, wanted) == old
    assert len(path.read_text().splitlines()) == len(old)


def test_networks_are_not_played_on_bodies_of_another_config(learners):
    folder, go = learners
    experiment, stream = go(1)
    bodies = {"normal": {}, "foot": {"foot": 2.0}}
    other = replace(experiment.stream, bodies=bodies)
    with pytest.raises(ConfigError, match=r"stream.bodies.foot.foot \(1.5 -> 2.0\)"):
        closed_loop.jobs(folder, stream, ["field"], [0], other)
    assert closed_loop.jobs(folder, stream, ["field"], [0], experiment.stream)
