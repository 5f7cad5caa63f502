"""Wrong files and folders: one line, status 2, nothing made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sparsectl import cli

GOOD = "name: x\nenv: {id: sparsectl/PiecewiseAffine-v0}\n"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(capsys, *words: str) -> str:
    assert cli.main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")
    return captured.err


@pytest.mark.parametrize("command", ["run", "collect", "train", "compare"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "horizn: 3", ["my.yaml", "unknown key 'horizn'", "'horizon'"]),
        (GOOD + "horizon: -3", ["my.yaml", "horizon is -3", "at least 1"]),
        (GOOD + "horizon: three", ["my.yaml", "horizon", "expected int", "'three'"]),
        (GOOD + "task: {action: {levels: [0, .nan]}}", ["task.action.levels[1]", "got nan"]),
        (GOOD + "task: {action: {levels: [[0, a]]}}", ["task.action.levels[0][1]", "'a' (str)"]),
        (GOOD.replace("Affine", "Afine"), ["my.yaml", "did you mean 'sparsectl/Piecewise"]),
        ("env: {id: x}", ["my.yaml", "missing key 'name'"]),
        ("name: [", ["my.yaml", "not valid YAML"]),
    ],
)
def test_bad_files(home, capsys, command, text, words):
    Path("my.yaml").write_text(text)
    message = refuse(capsys, command, "--config", "my.yaml")
    for word in words:
        assert word in message
    assert os.listdir() == ["my.yaml"]


def test_missing_file_names_the_nearest(home, capsys):
    Path("my.yaml").write_text(GOOD)
    assert "did you mean 'my.yaml'" in refuse(capsys, "run", "--config", "mi.yaml")
    assert "did you mean 'rope'" in refuse(capsys, "run", "--config", "roep")


def test_unknown_command_names_the_nearest(capsys):
    assert "did you mean 'collect'" in refuse(capsys, "colect")


def test_wrong_option_value_is_refused_like_a_wrong_file(home, capsys):
    Path("my.yaml").write_text(GOOD)
    message = refuse(capsys, "run", "--config", "my.yaml", "--horizon", "-2")
    assert "horizon is -2" in message
    assert os.listdir() == ["my.yaml"]


@pytest.mark.parametrize(
    "words", [["--horizno", "3"], ["--horizon", "three"], ["--train.stpes", "3"], ["--config"]]
)
def test_unknown_flags_get_the_nearest_one(home, capsys, words):
    Path("my.yaml").write_text(GOOD)
    with pytest.raises(SystemExit) as exit:
        cli.main(["run", "--config", "my.yaml", *words])
    assert exit.value.code == 2
    err = capsys.readouterr().err
    assert "--horizon" in err or "--train.steps" in err or "--config" in err
    assert os.listdir() == ["my.yaml"]


def test_missing_config_option_is_asked_for(home, capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(["run"])
    assert exit.value.code == 2
    assert "--config" in capsys.readouterr().err


def test_a_file_where_the_folder_should_be(home, capsys):
    Path("my.yaml").write_text(GOOD)
    Path("runs").write_text("not a folder")
    message = refuse(capsys, "collect", "--config", "my.yaml")
    assert "runs" in message
    assert Path("runs").read_text() == "not a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(home, capsys):
    Path("my.yaml").write_text(GOOD)
    home.chmod(0o555)
    try:
        assert "permission denied" in refuse(capsys, "collect", "--config", "my.yaml")
    finally:
        home.chmod(0o755)


def test_proc_is_a_folder_nobody_can_write(home, capsys):
    Path("my.yaml").write_text(GOOD)
    assert "cannot write" in refuse(capsys, "collect", "--config", "my.yaml", "--runs", "/proc/x")


def test_inspecting_what_is_no_checkpoint(home, capsys):
    assert "no checkpoint" in refuse(capsys, "inspect", "nowhere")
    Path("folder").mkdir()
    refuse(capsys, "inspect", "folder")


def test_a_folder_of_something_else_is_not_taken_for_a_run(home, capsys):
    Path("my.yaml").write_text(GOOD)
    Path("runs/x/stages").mkdir(parents=True)
    Path("runs/x/stages/collect.json").write_text("{not json")
    message = refuse(capsys, "collect", "--config", "my.yaml")
    assert "not valid JSON" in message
