"""`sparsectl continual` as its users meet it."""

from __future__ import annotations

import pytest
import yaml
from continual_runs import SMALL

from sparsectl.cli import main


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "epochs": 1}))
    return ["continual", "run", "--config", str(path), "--runs", str(tmp_path / "runs")]


def test_run_and_compare(small, tmp_path, capsys):
    assert main([*small, "--learners", "real", "--seeds", "3"]) == 0
    run = tmp_path / "runs" / "small"
    assert "real" in capsys.readouterr().out
    assert [p.name for p in (run / "real" / "sequential").iterdir()] == ["3"]
    assert not (run / "binary").exists()
    words = ["continual", "compare", str(run), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert (tmp_path / "out" / "report.html").is_file()
    assert "permuted digits" in capsys.readouterr().out
    assert main(words) == 2  # never replaced silently
    assert main([*words, "--force"]) == 0


def test_values_are_set_and_changes_refused(small, tmp_path, capsys):
    only = ["--learners", "real"]
    assert main([*small, *only]) == 0
    rate = ["--set", "learners.real.optimiser.rate=0.1"]
    assert main([*small, *only, *rate]) == 2
    assert "learner.optimiser.rate (0.01 -> 0.1)" in capsys.readouterr().err
    assert main([*small, *only, *rate, "--name", "faster"]) == 0
    saved = yaml.safe_load((tmp_path / "runs" / "faster" / "config.yaml").read_text())
    assert saved["learners"]["real"]["optimiser"]["rate"] == 0.1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--learners", "reel"], "did you mean 'real'"),
        (["--set", "epochs"], "expected name=value"),
        (["--set", "epochs=[1"], "no YAML value"),
        (["--set", "epochs=many"], "expected int"),
        (["--set", "epoch=2"], "did you mean 'epochs'"),
        (["--workers", "0"], "workers is 0"),
    ],
)
def test_wrong_options_are_named_and_nothing_is_made(small, tmp_path, words, text, capsys):
    assert main([*small, *words]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "runs" / "small" / "real").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["continual", "rnu"], "did you mean 'run'"),
        (["continual", "compare", "nowhere"], "no finished learner in 'nowhere'"),
        (["continual", "run", "--config", "continual_permuted_digit"], "did you mean"),
    ],
)
def test_wrong_words_are_named(words, text, capsys):
    assert main(words) == 2
    assert text in capsys.readouterr().err
