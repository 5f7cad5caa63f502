"""The command line, with real components on tiny settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cli_runs
import pytest
import yaml

from sparsectl import cli

TINY = cli_runs.config("""
controllers: {mip: {nodes: 50, starts: []}, mppi: {samples: 16, iterations: 1}}
evaluate: {episodes: 2, steps: 4, workers: 1, engine: serial, planned_states: 2, clips: 0}
""")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    return cli_runs.home(monkeypatch, tmp_path, TINY)


def run(*words: str) -> int:
    return cli.main(list(words))


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as exit:
        run("--help")
    assert exit.value.code == 0
    out = capsys.readouterr().out
    for command in cli.COMMANDS:
        assert command in out


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_of_a_command_says_what_it_does_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as exit:
        run(command, "--help")
    assert exit.value.code == 0
    assert f"Example: sparsectl {command}" in capsys.readouterr().out


def test_help_shows_the_values_of_the_config(home, capsys):
    with pytest.raises(SystemExit):
        run("train", "--config", "tiny.yaml", "--help")
    out = capsys.readouterr().out
    assert "--train.steps" in out
    assert "(default: 40)" in out
    assert "--controllers.mppi.samples" in out


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("sparsectl ")


def test_envs_lists_ids_and_sizes(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert run("envs") == 0
    out = capsys.readouterr().out
    for name in ("Rope", "PushT", "PushBox", "PiecewiseAffine"):
        assert f"sparsectl/{name}-v0" in out
    assert "52" in out
    assert "my_package:MyTask-v0" in out


def test_run_makes_everything_once(home, capsys):
    assert run("run", "--config", "tiny.yaml") == 0
    first = capsys.readouterr()
    assert "mip" in first.out
    assert "mppi" in first.out
    folder = home / "runs" / "tiny"
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["train"]["steps"] == 40
    assert (folder / "data").is_dir()
    assert (folder / "model" / "model.safetensors").is_file()
    rows = [json.loads(x) for x in (folder / "compare/episodes.jsonl").read_text().splitlines()]
    assert sorted((r["controller"], r["episode"]) for r in rows) == [
        ("mip", 0),
        ("mip", 1),
        ("mppi", 0),
        ("mppi", 1),
    ]
    assert (folder / "compare" / "summary.csv").is_file()
    assert "<html" in (folder / "compare" / "report.html").read_text()

    weights = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    assert run("run", "--config", "tiny.yaml") == 0
    again = capsys.readouterr()
    assert "collect: done before" in again.err
    assert "train: done before" in again.err
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == weights
    more = [json.loads(x) for x in (folder / "compare/episodes.jsonl").read_text().splitlines()]
    assert more == rows


def test_stages_one_by_one_and_inspect(home, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    tiny = ("--config", "tiny.yaml", "--runs", "elsewhere")
    assert run("train", *tiny) == 2
    assert "run `sparsectl collect`" in capsys.readouterr().err
    assert run("collect", *tiny) == 0
    assert run("compare", *tiny) == 2
    assert "run `sparsectl train`" in capsys.readouterr().err
    assert run("train", *tiny) == 0
    assert "open-loop error" in capsys.readouterr().out
    assert run("compare", *tiny, "--only", "mppj") == 2
    assert "did you mean 'mppi'" in capsys.readouterr().err
    played = home / "elsewhere/tiny/compare/episodes.jsonl"
    assert not played.exists()
    assert run("compare", *tiny, "--only", "mppi") == 0
    first = played.read_text()
    assert {json.loads(line)["controller"] for line in first.splitlines()} == {"mppi"}
    assert run("compare", *tiny) == 0
    assert played.read_text().startswith(first)
    assert len(played.read_text().splitlines()) == 2 * len(first.splitlines())
    capsys.readouterr()
    assert run("inspect", "elsewhere/tiny") == 0
    out = capsys.readouterr().out
    assert "sparsectl/PiecewiseAffine-v0" in out
    assert "ReLUs         4" in out.replace("│", "") or "4 (each" in out
    assert "open-loop error" in out
    assert not (home / "runs").exists()


def test_options_change_the_config(home):
    assert run("collect", "--config", "tiny.yaml", "--name", "b", "--data.transitions", "50") == 0
    saved = yaml.safe_load((home / "runs/b/config.yaml").read_text())
    assert saved["data"]["transitions"] == 50


def test_a_changed_config_is_refused_then_forced(home, capsys):
    assert run("collect", "--config", "tiny.yaml") == 0
    capsys.readouterr()
    before = (home / "runs/tiny/config.yaml").read_text()
    changed = ("collect", "--config", "tiny.yaml", "--data.transitions", "50")
    assert run(*changed) == 2
    err = capsys.readouterr().err
    assert "data.transitions (300 -> 50)" in err
    assert "--force" in err
    assert "--name" in err
    assert (home / "runs/tiny/config.yaml").read_text() == before
    assert run(*changed, "--force") == 0
    assert "50 transitions" in capsys.readouterr().err


def test_training_on_any_minari_dataset(home, monkeypatch, capsys):
    assert run("collect", "--config", "tiny.yaml") == 0
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(home / "runs/tiny/data"))
    name = "sparsectl/piecewiseaffine/auto-v0"
    assert run("train", "--config", "tiny.yaml", "--name", "other", "--dataset", name) == 0
    assert not (home / "runs/other/data").exists()
    capsys.readouterr()
    wrong = name.replace("auto", "atuo")
    assert run("train", "--config", "tiny.yaml", "--name", "third", "--dataset", wrong) == 2
    assert "did you mean 'sparsectl/piecewiseaffine/auto-v0'" in capsys.readouterr().err


def test_a_warning_is_one_line_without_its_place_in_the_code():
    code = (
        "import warnings\nfrom sparsectl import cli\n"
        "cli.main(['--version'])\nwarnings.warn('one\\n  two', stacklevel=1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: one two\n"


def test_results_go_to_stdout_and_progress_to_stderr(home, capsys):
    run("collect", "--config", "tiny.yaml")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "collect: 300 transitions" in captured.err
