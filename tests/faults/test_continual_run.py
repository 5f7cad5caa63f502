"""Continual runs that are killed, damaged or given impossible things."""

from __future__ import annotations

import signal

import children
import continual_runs
import numpy as np
import pytest
import torch
from continual_runs import experiment, unit

from sparsectl import checkpoint
from sparsectl.continual import saved, training
from sparsectl.continual.run import run
from sparsectl.continual.saved import load_learner
from sparsectl.continual.stream import Stream, StreamTask
from sparsectl.continual.streams import build
from sparsectl.errors import CheckpointError, ConfigError


def results_of(folder):
    rows = [
        {k: v for k, v in row.items() if not k.endswith("seconds")} for row in saved.rows(folder)
    ]
    return rows, checkpoint.load_tensors(folder / "learner").tensors


def fresh(chosen, folder):
    training.train(chosen, build(chosen.stream, chosen.stream_seed), folder)
    return results_of(chosen.folder(folder))


# In the middle of a task, and within the one stage of `joint`.
@pytest.mark.parametrize(
    ("label", "protocol", "epochs"),
    [("binary", "sequential", 3), ("real", "joint", 1)],
)
def test_a_killed_unit_goes_on_to_the_same_weights_and_scores(tmp_path, label, protocol, epochs):
    words = (str(tmp_path / "killed"), label, protocol, str(epochs))
    done = children.run(children.script, continual_runs.__file__, *words)
    assert done.returncode == -signal.SIGKILL, done.stderr
    chosen = unit(label, protocol)
    progress = saved.settings_of(chosen.folder(tmp_path / "killed"))[1]
    assert not progress.done
    assert 2 * progress.stages + progress.epoch == epochs
    rows, weights = fresh(chosen, tmp_path / "killed")
    expected, same = fresh(chosen, tmp_path / "whole")
    assert rows == expected
    assert weights.keys() == same.keys()
    for name, value in same.items():
        assert np.array_equal(value, weights[name]), name


@pytest.fixture
def done(tmp_path):
    small = experiment(learners={"real": {"kind": "finetune"}}, epochs=1)
    assert run(small, tmp_path / "small") == []
    return small, tmp_path / "small", tmp_path / "small" / "real/sequential/0"


def test_damage_is_noticed_and_force_starts_again(done):
    small, run_folder, folder = done
    before = results_of(folder)
    with open(folder / "learner" / "model.safetensors", "ab") as file:
        file.write(b"!")
    for call in (lambda: run(small, run_folder), lambda: load_learner(folder)):
        with pytest.raises(CheckpointError, match="checksum"):
            call()
    assert run(small, run_folder, force=True) == []
    assert results_of(folder)[0] == before[0]


def unfinish(folder):
    """The checkpoint as if the last evaluation had been followed by a crash."""
    stored = checkpoint.load_tensors(folder / "learner")
    config = {**stored.config, "progress": {**stored.config["progress"], "done": False}}
    checkpoint.save_tensors(folder / "learner", stored.tensors, config, {"kind": "continual"})


def test_a_torn_row_is_no_row_and_a_missing_one_is_an_error(done):
    small, run_folder, folder = done
    lines = (folder / "rows.jsonl").read_text()
    (folder / "rows.jsonl").write_text(lines + '{"order": 4, "aft')
    assert len(saved.rows(folder)) == 4
    unfinish(folder)
    (folder / "rows.jsonl").write_text("".join(lines.splitlines(True)[1:]))
    failures = run(small, run_folder)
    assert [f.unit for f in failures] == ["real/sequential/0"]
    assert "expected 0 to 3" in failures[0].error


def test_something_else_than_a_learner_is_refused(tmp_path):
    checkpoint.save_tensors(tmp_path / "learner", {"x": np.zeros(2)}, {}, {"kind": "policy"})
    with pytest.raises(CheckpointError, match="holds a 'policy', expected a continual learner"):
        load_learner(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_learner(tmp_path / "nowhere")


def test_weights_of_another_network_are_refused(done):
    folder = done[2]
    stored = checkpoint.load_tensors(folder / "learner")
    config = {**stored.config, "unit": {**stored.config["unit"], "network": {"hidden": [5]}}}
    checkpoint.save_tensors(folder / "learner", stored.tensors, config, {"kind": "continual"})
    with pytest.raises(CheckpointError, match="belongs to another network"):
        load_learner(folder)


def test_one_failing_unit_leaves_the_others_alone(tmp_path, monkeypatch):
    real = training.train

    def failing(chosen, *given, **more):
        if chosen.label == "real":
            raise ConfigError("no luck")
        return real(chosen, *given, **more)

    monkeypatch.setattr(training, "train", failing)
    failures = run(experiment(epochs=1), tmp_path / "small")
    assert [(f.unit, f.error) for f in failures] == [("real/sequential/0", "ConfigError: no luck")]
    assert load_learner(tmp_path / "small/binary/sequential/0")[1]["done"]


def odd_stream(*sizes: int) -> Stream:
    x, y = torch.randn(40, 5), torch.randint(3, (40,))
    tasks = [StreamTask(f"{n}", x[:n], y[:n], x, y) for n in sizes]
    return Stream("odd", "classification", tuple(tasks), 3)


def test_an_empty_task_and_one_of_a_single_example(tmp_path):
    rows = training.train(unit("real", "sequential"), odd_stream(40, 0, 1), tmp_path)
    updates = [r["counters"].get("updated", 0) for r in rows]
    assert updates == [0, 2, 2, 4]
    assert rows[2]["loss"] is None
    assert rows[2]["scores"] == rows[1]["scores"]


def test_learning_that_blows_up_is_counted_and_skipped(tmp_path):
    settings = {"kind": "finetune", "optimiser": {"method": "sgd", "rate": 1e30}}
    wild = experiment(learners={"wild": settings}, epochs=1)
    assert run(wild, tmp_path / "small") == []
    rows = saved.rows(tmp_path / "small/wild/sequential/0")
    assert rows[-1]["counters"]["not_finite_step"] > 0
    learner, _ = load_learner(tmp_path / "small/wild/sequential/0")
    assert all(torch.isfinite(W).all() for W in learner.weights())
