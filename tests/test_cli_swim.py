"""`sparsectl swim` as its users meet it."""

from __future__ import annotations

import csv
import json

import pytest

from sparsectl.cli import main

SHORT = ["--train.steps", "160", "--train.episode-steps", "20", "--train.population", "4"]
SHORT += ["--train.eval-every", "80", "--train.eval-episodes", "2"]


def train(runs, *more):
    return main(["swim", "train", "--config", "swim", "--runs", str(runs), *SHORT, *more])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    assert train(folder, "--seeds", "0", "1") == 0
    return folder


def test_training_leaves_a_curve_a_policy_and_the_wiring(runs):
    for seed in ("0", "1"):
        run = runs / "swim" / seed
        rows = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
        assert [r["steps"] for r in rows] == [0, 80, 160]
        assert (run / "policy" / "model.safetensors").is_file()
        assert (run / "wiring.png").read_bytes()[:4] == b"\x89PNG"


def test_a_second_run_does_nothing_and_other_settings_are_refused(runs, capsys):
    before = (runs / "swim" / "0" / "curve.jsonl").read_bytes()
    assert train(runs) == 0
    assert (runs / "swim" / "0" / "curve.jsonl").read_bytes() == before
    assert train(runs, "--train.sigma", "0.1") == 2
    assert "train.sigma (0.3 -> 0.1)" in capsys.readouterr().err


def test_evaluation_writes_a_table_once(runs, capsys):
    run = str(runs / "swim" / "0")
    words = ["swim", "eval", run, "--links", "4", "--lesions", "reflex", "--episodes", "1"]
    assert main(words) == 0
    with (runs / "swim" / "0" / "eval.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["trial"] for r in rows] == ["as trained", "4 links", "without reflex"]
    assert main(words) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert main([*words[:-2], "--lesions", "reflexx", "--force"]) == 2
    assert "did you mean 'reflex'" in capsys.readouterr().err


def test_comparison_draws_and_tells(runs, tmp_path, capsys):
    words = ["swim", "compare", str(runs / "swim"), "--out", str(tmp_path / "out")]
    assert main([*words, "--levels", "5"]) == 0
    assert "steps to 5" in capsys.readouterr().out
    assert (tmp_path / "out" / "curves.png").is_file()
    assert (tmp_path / "out" / "compare.csv").is_file()
    assert main(words) == 2  # never replaced silently


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["swim", "trian"], "did you mean 'train'"),
        (["swim", "eval", "nowhere"], "no finished run in 'nowhere'"),
        (["swim", "compare", "nowhere"], "no learning curves in 'nowhere/<seed>'"),
        (["swim", "train", "--config", "swimm"], "did you mean"),
    ],
)
def test_wrong_words_are_named(words, text, capsys):
    assert main(words) == 2
    assert text in capsys.readouterr().err
