"""Checkpoint directories: whole, verified, never half."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sparsectl import checkpoint
from sparsectl.errors import CheckpointError

TENSORS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array([3])}


def test_tensors_config_and_meta_come_back(tmp_path):
    path = checkpoint.save_tensors(tmp_path / "a" / "model", TENSORS, {"x": [1]}, {"env_id": "E"})
    stored = checkpoint.load_tensors(path)
    assert stored.config == {"x": [1]}
    assert stored.meta["env_id"] == "E"
    assert stored.meta["versions"]["numpy"] == np.__version__
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(stored.tensors[name], array)
        assert stored.tensors[name].dtype == array.dtype


def test_saving_again_replaces_everything_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "model"
    checkpoint.save_tensors(path, TENSORS, {"v": 1})
    checkpoint.save_tensors(path, {"other": np.ones(2)}, {"v": 2})
    stored = checkpoint.load_tensors(path)
    assert (set(stored.tensors), stored.config) == ({"other"}, {"v": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_checkpoint_is_not_replaced(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("precious")
    with pytest.raises(CheckpointError, match="no checkpoint: it is not overwritten"):
        checkpoint.save_tensors(tmp_path / "model", TENSORS, {})
    assert (tmp_path / "model" / "thesis.txt").read_text() == "precious"


def test_what_is_no_json_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(CheckpointError, match="JSON"):
        checkpoint.save_tensors(tmp_path / "model", TENSORS, {"x": object()})
    assert not list(tmp_path.iterdir())


def test_meta_is_readable_json_with_the_checksums(tmp_path):
    path = checkpoint.save_tensors(tmp_path / "model", TENSORS, {})
    meta = json.loads((path / "meta.json").read_text())
    assert set(meta["sha256"]) == {"model.safetensors", "config.json"}
    assert meta["format_version"] == checkpoint.FORMAT_VERSION


def test_exists_sees_whole_checkpoints_only(tmp_path):
    assert not checkpoint.exists(tmp_path / "model")
    (tmp_path / "model").mkdir()
    assert not checkpoint.exists(tmp_path / "model")
    (tmp_path / "model").rmdir()
    checkpoint.save_tensors(tmp_path / "model", TENSORS, {})
    assert checkpoint.exists(tmp_path / "model")
