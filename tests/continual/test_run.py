"""Runs: what they leave, what is not done again, and that workers change nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from continual_runs import experiment

from sparsectl import checkpoint
from sparsectl.continual import metrics, results, saved
from sparsectl.continual.experiment import units
from sparsectl.continual.head import Head
from sparsectl.continual.run import run
from sparsectl.continual.saved import load_learner
from sparsectl.continual.stream import Scaling, Stream, StreamTask
from sparsectl.continual.streams import build
from sparsectl.continual.training import train
from sparsectl.errors import ConfigError

ALL = experiment(protocols=["sequential", "joint", "single"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "small"
    assert run(ALL, place) == []
    return place


@pytest.fixture(scope="module")
def stream():
    return build(ALL.stream, 0)


def contents(folder):
    return {
        p.relative_to(folder): (p.stat().st_mtime_ns, p.read_bytes())
        for p in folder.rglob("*")
        if p.is_file() and p.name != "config.yaml"
    }


def weights(folder):
    return checkpoint.load_tensors(folder / "learner").tensors


def scores(folder):
    return [(r["after"], r["on"], r["scores"], r.get("calibration")) for r in saved.rows(folder)]


def test_every_unit_has_its_rows(folder):
    found = results.read(folder)
    names = [(u.label, u.protocol) for u in found]
    protocols = ("sequential", "joint", "single")
    assert names == [(label, p) for label in ("real", "binary") for p in protocols]
    for unit in found:
        R = unit.R()
        assert unit.done
        assert np.isfinite(R[-1]).all()
        expected = {"sequential": 12, "joint": 6, "single": 8}[unit.protocol]
        assert np.isfinite(R).sum() == expected
        assert unit.rows[-1]["counters"]["updated"] > 0


def test_learning_beats_the_untrained_network_and_the_bound_beats_forgetting(folder):
    found = {(u.label, u.protocol): u.R() for u in results.read(folder)}
    R = found["real", "sequential"]
    assert (metrics.at_training(R) > R[0] + 0.2).all()
    assert metrics.final(found["real", "joint"]).mean() > metrics.final(R).mean()


def test_what_is_done_is_not_done_again(folder):
    before = contents(folder)
    assert run(ALL, folder) == []
    assert contents(folder) == before
    assert run(dataclasses.replace(ALL, seeds=(0,)), folder, workers=2) == []
    assert contents(folder) == before


def test_the_saved_learner_predicts_what_its_last_row_says(folder, stream):
    for name in ("real/sequential/0", "binary/joint/0"):
        learner, meta = load_learner(folder / name)
        assert (meta["learnt"], meta["done"], meta["scaling"]) == (3, True, None)
        assert meta["n_in"] == 64
        assert meta["settings"]["label"] == name.split("/")[0]
        for mode, values in saved.rows(folder / name)[-1]["scores"].items():
            for task, value in zip(stream.tasks, values, strict=True):
                p = learner.predict(task.test_inputs, mode)
                assert metrics.accuracy(p, task.test_targets) == value


def test_other_settings_are_refused_before_anything_starts_and_forced(folder, tmp_path):
    changed = experiment(
        learners={"real": {"kind": "finetune", "optimiser": {"rate": 0.5}}, "new": {}}
    )
    before = contents(folder)
    with pytest.raises(ConfigError, match=r"learner.optimiser.rate \(0.01 -> 0.5\).*--force"):
        run(changed, folder)
    assert contents(folder) == before
    mine = tmp_path / "small"
    first = experiment(learners={"real": {"kind": "finetune"}})
    assert run(first, mine) == run(dataclasses.replace(changed, name="x"), mine, force=True) == []
    assert saved.settings_of(mine / "real/sequential/0")[0]["learner"]["optimiser"]["rate"] == 0.5


def test_workers_give_what_one_process_gives(folder, tmp_path):
    mine = tmp_path / "small"
    part = dataclasses.replace(ALL, protocols=("sequential",))
    assert run(part, mine, workers=2) == []
    for label in ("real", "binary"):
        a, b = (place / label / "sequential" / "0" for place in (mine, folder))
        assert scores(a) == scores(b)
        assert weights(a).keys() == weights(b).keys()
        for name, value in weights(b).items():
            assert np.array_equal(value, weights(a)[name]), name


def test_evaluating_less_often_does_not_change_what_is_learnt(folder, tmp_path, stream):
    unit = units(experiment(evaluate_every=10, draws=0), ["binary"])[0]
    rows = train(unit, stream, tmp_path)
    assert [r["on"] for r in rows] == [[0, 1, 2], [0], [1], [0, 1, 2]]
    assert "calibration" not in rows[-1]
    full = folder / "binary/sequential/0"
    assert rows[-1]["scores"] == saved.rows(full)[-1]["scores"]
    for name, value in weights(full).items():
        assert np.array_equal(value, weights(unit.folder(tmp_path))[name]), name


def test_learners_after_every_task_are_kept_on_request(tmp_path, stream):
    unit = units(experiment(keep_tasks=True), ["real"])[0]
    rows = train(unit, stream, tmp_path)
    for i, task in enumerate(stream.tasks):
        learner, meta = load_learner(unit.folder(tmp_path) / "tasks" / str(i))
        assert meta["learnt"] == i + 1
        value = metrics.accuracy(learner.predict(task.test_inputs), task.test_targets)
        assert value == rows[i + 1]["scores"]["mean"][i]


def regression_stream(n: int) -> Stream:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, generator=generator)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2]], -1)
    half = torch.ones(3), torch.full((3,), 2.0), torch.zeros(2), torch.ones(2)
    tasks = tuple(StreamTask(f"{sign:+d}", x, sign * y, x, sign * y) for sign in (1, -1))
    return Stream("signs", "regression", tasks, 2, Scaling(*half))


def test_regression_forgets_what_contradicts_it_and_keeps_the_scaling(tmp_path):
    unit = units(experiment(epochs=20, batch_size=32), ["real"])[0]
    stream = regression_stream(256)
    train(unit, stream, tmp_path)
    R = results.read(tmp_path)[0].R()
    assert (metrics.at_training(R) < 0.4).all()
    assert R[2, 0] > 1.5
    assert metrics.forgetting(R, False) > 1
    assert metrics.backward_transfer(R, False) < -1
    scaling = load_learner(unit.folder(tmp_path))[1]["scaling"]
    assert torch.equal(scaling.input_std, stream.scaling.input_std)
    assert unit.head(stream) == Head("regression", 2, 1.0)


def test_a_test_set_without_variance_has_no_score(tmp_path):
    unit = units(experiment(epochs=1, network={"hidden": [4]}), ["real"])[0]
    rows = train(unit, regression_stream(1), tmp_path)
    assert rows[-1]["scores"]["mean"] == [None, None]
    line = results.summarise(results.read(tmp_path))[0]
    assert line["final"].count == 0


def test_summary_over_seeds_is_paired_with_the_joint_bound(tmp_path):
    two = experiment(
        learners={"real": {"kind": "finetune"}}, protocols=["sequential", "joint"], seeds=[0, 1]
    )
    assert run(two, tmp_path / "small") == []
    found = results.read(tmp_path / "small")
    first, bound = results.summarise(found)
    assert (first["protocol"], bound["protocol"], first["seeds"]) == ("sequential", "joint", 2)
    by = {(u.protocol, u.seed): float(metrics.final(u.R()).mean()) for u in found}
    shares = [by["sequential", s] / by["joint", s] for s in (0, 1)]
    assert first["of_joint"].value == pytest.approx(np.mean(shares))
    assert first["of_joint"].low == pytest.approx(min(shares))
    assert first["bytes"] == 4 * first["parameters"] == 4 * (64 * 16 + 16 * 10)
    assert "forgetting" not in bound
