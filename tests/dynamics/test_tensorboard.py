"""Training's log for TensorBoard: what it holds, and that it changes nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cli_runs
import pytest

from sparsectl import cli, dynamics

TINY = cli_runs.config("controllers: {zero: {}}\nmodel: {hidden: [4], members: 2}")


@pytest.fixture
def _home(tmp_path, monkeypatch):
    cli_runs.home(monkeypatch, tmp_path, TINY)
    assert cli_runs.run("collect") == 0


@pytest.mark.usefixtures("_home")
def test_without_the_package_it_is_refused_before_training(monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "tensorboard" else real(name)
    )
    assert cli_runs.run("train", "--train.tensorboard") == 2
    assert "pip install 'sparsectl[tensorboard]'" in capsys.readouterr().err
    assert not Path("runs/tiny/stages/train.json").exists()


@pytest.mark.usefixtures("_home")
def test_every_check_is_logged_and_the_model_is_the_same():
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert cli_runs.run("train") == 0
    plain, meta = dynamics.load("runs/tiny/model")
    assert cli_runs.run("train", "--train.tensorboard") == 0  # done before: no other result
    assert not Path("runs/tiny/tensorboard").exists()
    collected = cli.main(["collect", "--config", "tiny.yaml", "--name", "other"])
    trained = cli.main(["train", "--config", "tiny.yaml", "--name", "other", "--train.tensorboard"])
    assert (collected, trained) == (0, 0)
    logged, _ = dynamics.load("runs/other/model")
    for name, value in plain.state_dict().items():
        assert bool((logged.state_dict()[name] == value).all()), name
    for member in (0, 1):
        events = accumulator.EventAccumulator(f"runs/other/tensorboard/train/member_{member}")
        events.Reload()
        found = [(e.step, e.value) for e in events.Scalars("train/validation")]
        rows = [r for r in meta["history"] if r["member"] == member]
        assert [step for step, _ in found] == [r["step"] for r in rows]
        assert [value for _, value in found] == pytest.approx([r["validation"] for r in rows])
