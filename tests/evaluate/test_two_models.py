"""Comparisons in which a controller names a model of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_env import ENV, TASK, save_model

from sparsectl import dynamics
from sparsectl.errors import CheckpointError
from sparsectl.evaluate import EvaluateConfig, compare
from sparsectl.files import FileError

CONFIG = EvaluateConfig(
    episodes=1, steps=2, budget=None, engine="serial", planned_states=1, clips=0
)
MIP = {"nodes": 20, "starts": []}
FEW = {"seconds": None, "mip": MIP, "cem": {"samples": 8, "elites": 4, "iterations": 1}}


@pytest.fixture
def models(tmp_path):
    """Checkpoints of the exact model, and of a sparse one that lacks some of it."""
    model, meta = dynamics.load(save_model(tmp_path / "dense"))
    with torch.no_grad():
        model.linears[0].weight[3] = 0.0
    return tmp_path / "dense", dynamics.save(model, tmp_path / "sparse", {"env_id": meta["env_id"]})


def run(folder, dense, sparse, **options):
    entries = {"mip": MIP, "both": {"kind": "two_models", "sparse": str(sparse), **FEW}}
    options = {"env_id": ENV, "task": TASK, "horizon": 2, "config": CONFIG, **options}
    return compare(folder, models={"dense": dense}, controllers=entries, **options)


def test_both_models_play_and_the_place_of_the_sparse_one_does_not_matter(models, tmp_path):
    dense, sparse = models
    done = run(tmp_path / "compare", dense, sparse)
    (row,) = done.of("dense", "both")
    assert row["sources"] == {"two_models": 2}
    assert row["bounds"] == [None, None]
    (mip,) = done.of("dense", "mip")
    assert row["costs"][0] >= mip["costs"][0] - 1e-6
    assert {r["controller"] for r in done.planned} >= {"mip", "both"}
    shutil.copytree(sparse, tmp_path / "elsewhere")
    before = (tmp_path / "compare" / "episodes.jsonl").read_bytes()
    again = run(tmp_path / "compare", dense, tmp_path / "elsewhere")
    assert again.rows == done.rows
    assert (tmp_path / "compare" / "episodes.jsonl").read_bytes() == before


def test_another_sparse_model_makes_old_episodes_invalid(models, tmp_path):
    dense, sparse = models
    old = run(tmp_path / "compare", dense, sparse)
    model, meta = dynamics.load(sparse)
    with torch.no_grad():
        model.linears[0].weight[2] = 0.0
    dynamics.save(model, sparse, {"env_id": meta["env_id"]})
    with pytest.raises(FileError, match="dense/both"):
        run(tmp_path / "compare", dense, sparse)
    new = run(tmp_path / "compare", dense, sparse, force=True)
    assert old.of("dense", "mip")[0]["key"] == new.of("dense", "mip")[0]["key"]
    assert old.of("dense", "both")[0]["key"] != new.of("dense", "both")[0]["key"]


def test_a_sparse_model_that_does_not_fit_is_refused_before_anything_is_made(models, tmp_path):
    dense, sparse = models
    model, _ = dynamics.load(sparse)
    other = dynamics.save(model, tmp_path / "other", {"env_id": "sparsectl/Rope-v0"})
    wide = dynamics.build(dynamics.MLPConfig(hidden=(3,)), {"point": slice(0, 3)}, 3, 2)
    cases = {
        "no such folder": tmp_path / "nowhere",
        "trained for 'sparsectl/Rope-v0'": other,
        "has 3 states": dynamics.save(wide, tmp_path / "wide", {"env_id": ENV}),
    }
    for says, path in cases.items():
        with pytest.raises(CheckpointError, match=says) as caught:
            run(tmp_path / "compare", dense, path)
        assert "controllers.both.sparse" in str(caught.value)
        assert not (tmp_path / "compare").exists()
