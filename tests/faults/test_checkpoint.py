"""Damaged, hostile, foreign and half-written checkpoints."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import signal
import struct
from pathlib import Path

import children
import numpy as np
import pytest
import torch

from sparsectl import checkpoint, dynamics
from sparsectl.errors import CheckpointError

NAMES = {"p": slice(0, 2), "v": slice(2, 4)}


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    model = dynamics.build(dynamics.MLPConfig((3,)), NAMES, 4, 1)
    return dynamics.save(model, tmp_path / "model", {"env_id": "A-v0"})


def rewrite(folder: Path, *, tensors: bytes | None = None, config=None, **meta) -> None:
    """Change files and make the checksums fit again, as an attacker would."""
    old = json.loads((folder / "meta.json").read_text())
    if tensors is not None:
        (folder / "model.safetensors").write_bytes(tensors)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    sums = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("model.safetensors", "config.json")
    }
    (folder / "meta.json").write_text(json.dumps({**old, "sha256": sums, **meta}))


def stored_config(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def stored_tensors(folder: Path) -> dict[str, np.ndarray]:
    return dict(checkpoint.load_tensors(folder).tensors)


def packed(tensors: dict[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    return save({k: np.ascontiguousarray(v) for k, v in tensors.items()})


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "meta.json"])
def test_a_missing_file_is_named(model_folder, name):
    (model_folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        dynamics.load(model_folder)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*nowhere"):
        dynamics.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_one_flipped_bit_is_seen(model_folder, name):
    data = bytearray((model_folder / name).read_bytes())
    data[-2] ^= 1
    (model_folder / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name}: the checksum differs"):
        dynamics.load(model_folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage that is no header",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2) + b"{}" + b"trailing",
        b"\x80\x04\x95pickle",
    ],
    ids=["empty", "garbage", "oversized", "trailing", "pickle"],
)
def test_content_that_is_no_safetensors_is_an_error_of_that_file(model_folder, content):
    rewrite(model_folder, tensors=content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: (not valid|tensor)"):
        dynamics.load(model_folder)


def test_a_truncated_file_is_an_error_even_with_a_fitting_checksum(model_folder):
    rewrite(model_folder, tensors=(model_folder / "model.safetensors").read_bytes()[:-7])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not valid"):
        dynamics.load(model_folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_non_finite_weight_is_named(model_folder, value):
    tensors = stored_tensors(model_folder)
    tensors["layers.0.weight"] = tensors["layers.0.weight"].copy()
    tensors["layers.0.weight"][1, 1] = value
    rewrite(model_folder, tensors=packed(tensors))
    with pytest.raises(CheckpointError, match=r"'layers\.0\.weight' holds a NaN or infinity"):
        dynamics.load(model_folder)


def test_non_finite_weights_are_never_saved(tmp_path):
    model = dynamics.build(dynamics.MLPConfig((3,)), NAMES, 4, 1)
    dynamics.save(model, tmp_path / "model")
    with torch.no_grad():
        model.linears[1].bias[0] = torch.nan
    with pytest.raises(CheckpointError, match=r"layers\.1\.bias"):
        dynamics.save(model, tmp_path / "model")
    dynamics.load(tmp_path / "model")


def test_missing_extra_and_misshaped_tensors_are_named(model_folder):
    good = stored_tensors(model_folder)
    missing = {k: v for k, v in good.items() if k != "input_std"}
    rewrite(model_folder, tensors=packed(missing))
    with pytest.raises(CheckpointError, match="'input_std' is missing"):
        dynamics.load(model_folder)
    rewrite(model_folder, tensors=packed({**good, "backdoor": np.ones(2)}))
    with pytest.raises(CheckpointError, match="'backdoor' is not part of the model"):
        dynamics.load(model_folder)
    rewrite(model_folder, tensors=packed({**good, "layers.0.bias": np.ones((4,), np.float32)}))
    with pytest.raises(CheckpointError, match=r"'layers\.0\.bias' has shape \(4,\), expected \(3"):
        dynamics.load(model_folder)
    rewrite(model_folder, tensors=packed({**good, "layers.0.bias": np.ones(3, np.int64)}))
    with pytest.raises(CheckpointError, match=r"'layers\.0\.bias' has type int64"):
        dynamics.load(model_folder)


def test_a_model_saved_before_there_were_kinds_has_relus_only(model_folder):
    old = {k: v for k, v in stored_tensors(model_folder).items() if not k.startswith("kinds_")}
    rewrite(model_folder, tensors=packed(old))
    assert all((k == 1).all() for k in dynamics.load(model_folder)[0].kinds)


@pytest.mark.parametrize("value", [np.full(3, 3, np.int8), np.full(3, -1, np.int8), np.ones(3)])
def test_unknown_kinds_of_neurons_are_refused(model_folder, value):
    tensors = {**stored_tensors(model_folder), "kinds_0": value}
    rewrite(model_folder, tensors=packed(tensors))
    with pytest.raises(CheckpointError, match="'kinds_0' holds other values than 0, 1 and 2"):
        dynamics.load(model_folder)


def test_a_newer_format_says_upgrade(model_folder):
    rewrite(model_folder, format_version=checkpoint.FORMAT_VERSION + 1)
    with pytest.raises(CheckpointError, match=r"newer than .*upgrade"):
        dynamics.load(model_folder)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "other.safetensors"])
def test_meta_cannot_point_at_other_files(model_folder, name):
    rewrite(model_folder)
    meta = json.loads((model_folder / "meta.json").read_text())
    meta["sha256"][name] = meta["sha256"].pop("model.safetensors")
    (model_folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(CheckpointError, match=r"meta\.json: sha256 must list exactly"):
        dynamics.load(model_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "os.system"}, "unknown model kind 'os.system'"),
        ({"model": {"hiden": [3]}}, "'hiden'.*did you mean 'hidden'"),
        ({"model": {"hidden": ["__import__('os')"]}}, "expected int"),
        ({"model": {"hidden": [10**9]}}, r"has shape .* expected \(1000000000"),
        ({"nx": 10**12}, "nx, nu or names"),
        ({"nx": "4"}, "nx, nu or names"),
        ({"names": {"p": [0, 3], "v": [2, 4]}}, "'v' has the range"),
        ({"names": {"p": [0, 2]}}, "end at 2, nx is 4"),
    ],
)
def test_a_wrong_or_hostile_config_is_refused(model_folder, change, message):
    rewrite(model_folder, config={**stored_config(model_folder), **change})
    with pytest.raises(CheckpointError, match=message):
        dynamics.load(model_folder)


@pytest.mark.parametrize("text", ["[]", "{", "null", "[" * 100_000])
def test_meta_that_is_no_mapping_is_an_error_of_that_file(model_folder, text):
    (model_folder / "meta.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"meta\.json"):
        dynamics.load(model_folder)


def test_another_kind_of_checkpoint_is_refused(tmp_path):
    checkpoint.save_tensors(tmp_path / "x", {"w": np.ones(2)}, {}, {"kind": "training"})
    with pytest.raises(CheckpointError, match="holds a 'training', expected a dynamics model"):
        dynamics.load(tmp_path / "x")


def test_a_model_of_another_environment_or_size_is_refused_with_both_sides(model_folder):
    model, meta = dynamics.load(model_folder)
    fits = {"env_id": "A-v0", "dynamics": model, "nx": 4, "nu": 1, "names": NAMES}
    dynamics.check_compatible(meta, **fits)
    with pytest.raises(CheckpointError, match=r"'A-v0', the task is 'B-v0'"):
        dynamics.check_compatible(meta, **{**fits, "env_id": "B-v0"})
    with pytest.raises(CheckpointError, match=r"4 states and 1 actions, .* has 4 and 2"):
        dynamics.check_compatible(meta, **{**fits, "nu": 2})
    with pytest.raises(CheckpointError, match=r"p 0:2, v 2:4, .* has q 0:4"):
        dynamics.check_compatible(meta, **{**fits, "names": {"q": slice(0, 4)}})


_SAVE_AND_DIE = """
import os, signal, sys
import numpy as np
from sparsectl import checkpoint
path, where, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
real = getattr(os, where)
def dies(*args, **kwargs):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(os, where, dies)
checkpoint.save_tensors(path, {"w": np.full(1000, 2.0)}, {"v": 2})
"""


@pytest.mark.parametrize(
    ("where", "count", "expected"),
    [
        ("fsync", 1, 1),
        ("fsync", 3, 1),
        ("fsync", 4, 1),
        ("rename", 1, 1),
        ("rename", 2, 1),
        ("fsync", 5, 2),
    ],
)
def test_a_save_killed_anywhere_leaves_a_whole_checkpoint(tmp_path, where, count, expected):
    path = tmp_path / "model"
    checkpoint.save_tensors(path, {"w": np.full(1000, 1.0)}, {"v": 1})
    done = children.run(children.code, _SAVE_AND_DIE, str(path), where, str(count))
    assert done.returncode == -signal.SIGKILL, done.stderr
    stored = checkpoint.load_tensors(path)
    assert stored.config["v"] == expected
    assert (stored.tensors["w"] == expected).all()
    checkpoint.save_tensors(path, {"w": np.full(1000, 3.0)}, {"v": 3})
    assert checkpoint.load_tensors(path).config["v"] == 3


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    path = checkpoint.save_tensors(tmp_path / "model", {"w": np.ones(2)}, {"v": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="no space left"):
        checkpoint.save_tensors(path, {"w": np.zeros(2)}, {"v": 2})
    monkeypatch.undo()
    assert checkpoint.load_tensors(path).config["v"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_no_file_is_ever_unpickled_or_evaluated():
    """Only the messages between this process and its own workers are pickled."""
    root = Path(checkpoint.__file__).parent
    modules = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    calls = {"eval", "exec", "__import__", "torch.load"}
    for path in root.rglob("*.py"):
        if path.is_relative_to(root / "parallel"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not modules & {a.name.split(".")[0] for a in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in modules, path
            elif isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in calls, path
