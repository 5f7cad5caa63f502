"""What the models of a comparison err by: on held-out data, and where their planners drove."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_env import ENV, TASK, save_model

from sparsectl import dynamics
from sparsectl.evaluate import EvaluateConfig, compare, model_errors, report, trajectories
from sparsectl.evaluate.summary import summarise
from sparsectl.evaluate.table import columns, notes

OFF = 0.02
CONFIG = EvaluateConfig(
    episodes=2, steps=6, budget=None, engine="serial", clips=0, planned_states=0
)
CONTROLLERS = {"mppi": {"samples": 8, "iterations": 1}, "zero": {}}
ROW = {"part": "point", "metric": "rms", "p95": 0.0, "no_motion": 0.1, "linear": None}
HELD = [{**ROW, "k": k, "model": e, "windows": 9} for k, e in ((1, 0.005), (5, 0.03))]


def run(folder, models, **options):
    options = {"controllers": CONTROLLERS, "config": CONFIG, **options}
    return compare(folder, env_id=ENV, task=TASK, models=models, horizon=2, **options)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """One that is exact and does not tell its errors, one that is wrong the further right it is."""
    folder = tmp_path_factory.mktemp("models")
    exact = save_model(folder / "exact")
    model = dynamics.load(exact)[0]
    model.linears[-1].bias[0] += OFF
    off = dynamics.save(model, folder / "off", {"env_id": ENV, "metrics": {"errors": HELD}})
    return {"off": off, "exact": exact}


@pytest.fixture(scope="module")
def found(models, tmp_path_factory):
    return run(tmp_path_factory.mktemp("compare") / "both", models)


def rows(found, **chosen):
    return [
        r for r in found.settings[model_errors.KEY] if all(r[k] == v for k, v in chosen.items())
    ]


def test_errors_are_told_on_held_out_data_and_where_each_controller_drove(found):
    held = rows(found, model="off", where=model_errors.COLLECTED)
    assert [(r["k"], r["error"]) for r in held] == [(1, 0.005), (5, 0.03)]
    for controller in CONTROLLERS:
        driven = rows(found, model="off", where=controller)
        assert [r["k"] for r in driven] == [1, 5]
        for row in driven:  # of two entries one is off, by as much at every step
            assert row["error"] == pytest.approx(row["k"] * OFF / math.sqrt(2), rel=1e-4)
        assert [r["windows"] for r in driven] == [2 * 6, 2 * 2]
    exact = rows(found, model="exact", where="mppi")
    assert [r["k"] for r in exact] == [1, 5]
    assert max(r["error"] for r in exact) < 1e-6
    assert not rows(found, model="exact", where=model_errors.COLLECTED)


def test_the_table_the_notes_and_the_report_say_so_with_units(found):
    lines = summarise(found)
    line = next(s for s in lines if (s["model"], s["controller"]) == ("off", "mppi"))
    assert (line["error_1_collected"], line["error_k_collected"], line["error_k"]) == (
        0.005, 0.03, 5,
    )  # fmt: skip
    assert line["error_1_driven"] == pytest.approx(OFF / math.sqrt(2), rel=1e-4)
    shown = {c.title: c for c in columns(found, lines)}
    assert shown["model's error, 1 step"].cell(line) == "0.0141\n0.00500"
    assert "root mean square of point" in shown["model's error, 5 steps"].meaning
    (note,) = [n for n in notes(found, lines) if n.startswith("off: the model errs")]
    assert "root mean square of point, in the observation's unit" in note
    assert "after 1 step 0.00500 on held-out data, 0.0141 where mppi drove" in note
    html = report.write(found.folder).read_text()
    assert "Errors of the models" in html
    assert "root mean square" in html


def test_a_second_call_and_more_episodes_keep_them_whole(found, models):
    assert rows(run(found.folder, models)) == rows(found)
    more = run(found.folder, models, config=replace(CONFIG, episodes=3))
    assert {r["windows"] for r in rows(more, model="off", where="mppi")} == {3 * 6, 3 * 2}


def test_an_episode_that_diverged_or_was_not_kept_whole_counts_as_far_as_it_goes(
    models, tmp_path, monkeypatch
):
    broken = run(tmp_path / "nan", models, env_kwargs={"nan_at": 4})
    driven = rows(broken, model="off", where="zero")
    assert [(r["k"], r["windows"]) for r in driven] == [(1, 2 * 3)]
    assert np.isfinite(driven[0]["error"])
    monkeypatch.setattr(trajectories, "LIMIT", 100)
    thin = run(tmp_path / "thin", models)
    assert {r["where"] for r in rows(thin)} == {model_errors.COLLECTED}
    assert not [n for n in notes(thin, summarise(thin)) if n.startswith("exact: the model errs")]
