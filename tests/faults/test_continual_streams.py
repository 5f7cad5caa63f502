"""What streams say of settings, files and recordings that are wrong."""

from __future__ import annotations

import gzip
import json
import struct
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import sparsectl  # noqa: F401
from sparsectl.config import from_dict
from sparsectl.continual.streams import (
    DynamicsStream,
    IdxStream,
    PermutedDigits,
    SplitDigits,
    build,
)
from sparsectl.continual.streams.idx import read_idx
from sparsectl.data import CollectConfig
from sparsectl.errors import ConfigError, DataError, MissingExtra
from sparsectl.files import FileError

LINEAR = DynamicsStream(
    name="linear",
    env="sparsectl/PiecewiseAffine-v0",
    bodies={"one": {}, "two": {"system_seed": 3}},
    data=CollectConfig(transitions=60, episode_steps=10),
)


def test_digits_without_scikit_learn_name_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    for config in (PermutedDigits(), SplitDigits()):
        with pytest.raises(MissingExtra, match=r"pip install 'sparsectl\[continual\]'"):
            build(config)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: PermutedDigits(tasks=0), "tasks is 0, expected a whole number of at least 1"),
        (lambda: PermutedDigits(test_fraction=1.0), "test_fraction is 1.0"),
        (lambda: build(SplitDigits(classes=3)), r"groups of 3: choose one of \[1, 2, 5, 10\]"),
        (lambda: IdxStream(folders=()), "folders is empty"),
        (lambda: IdxStream(folders=(Path("a"), Path("b"))), "set mode to 'sequence'"),
        (lambda: IdxStream(folders=(Path("a"),), train=0), "train is 0"),
        (lambda: replace(LINEAR, bodies={}), "bodies is empty"),
        (lambda: replace(LINEAR, repeats=0), "repeats is 0"),
        (lambda: replace(LINEAR, test_fraction=0.0), "test_fraction is 0.0"),
        (lambda: replace(LINEAR, places={"tow": "0:2"}), "did you mean 'two'"),
        (lambda: replace(LINEAR, state="0-2"), "'0-2' names no entries: expected for example"),
        (lambda: replace(LINEAR, state="0, 0:2"), "an entry twice"),
        (lambda: replace(LINEAR, state="2:2"), "no entry"),
        (lambda: replace(LINEAR, within={"0": (1.0, -1.0)}), r"\[1.0, -1.0\] is not a range"),
        (lambda: replace(LINEAR, bodies={"a b": {}, "A-b": {}}), "too like"),
        (lambda: build(replace(LINEAR, state="0:9")), "entry 8, but observations of 'one' have 2"),
        (lambda: build(replace(LINEAR, within={"7": (0.0, 1.0)})), "the state has 2 entries"),
        (lambda: build(replace(LINEAR, places={"one": "0:3"})), "names 3 entries, expected 2"),
        (lambda: build(replace(LINEAR, env="sparsectl/PieceAffine-v0")), "did you mean"),
        (lambda: build(replace(LINEAR, bodies={"a": {"mass": 1}})), "refuses the arguments"),
    ],
)
def test_wrong_settings_are_named(make, text):
    with pytest.raises(ConfigError, match=text):
        make()


def test_unknown_keys_of_yaml_are_named():
    with pytest.raises(ConfigError, match=r"unknown key 'task'.*did you mean 'tasks'"):
        from_dict(PermutedDigits, {"task": 5})


def test_bounds_that_leave_nothing_are_told():
    with pytest.raises(DataError, match=r"no transition of 'one' is within .* widen the bounds"):
        build(replace(LINEAR, within={"0": (90.0, 91.0)}))


def test_recordings_of_other_settings_are_refused_not_reused_nor_replaced(tmp_path):
    build(LINEAR, 0, tmp_path)
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file())
    for changed, text in (
        (replace(LINEAR, data_seed=1), "recorded with seed 0, but seed 1 is asked for"),
        (replace(LINEAR, bodies={"one": {"states": 3}}), "recorded with kwargs {}, but kwargs"),
        (replace(LINEAR, data=CollectConfig(transitions=70)), "recorded with data"),
    ):
        with pytest.raises(DataError, match=f"{text}.*remove .* or choose another run folder"):
            build(changed, 0, tmp_path)
    assert before == sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*") if p.is_file())


def test_recordings_whose_note_is_missing_or_wrong_are_refused(tmp_path):
    build(LINEAR, 0, tmp_path)
    note = tmp_path / "data" / "linear.one.json"
    for text, error, told in (
        ("[]", FileError, "linear.one.json: expected a mapping, got list"),
        ('{"settings": 3}', DataError, "holds no settings: remove"),
    ):
        note.write_text(text)
        with pytest.raises(error, match=told):
            build(LINEAR, 0, tmp_path)
    note.unlink()
    with pytest.raises(DataError, match=r"of unknown settings, as .* is missing"):
        build(LINEAR, 0, tmp_path)


def test_a_damaged_recording_is_told(tmp_path):
    build(LINEAR, 0, tmp_path)
    file = tmp_path / "data" / "linear" / "two-v0" / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=r"linear/two-v0.*damaged"):
        build(LINEAR, 0, tmp_path)


def test_a_note_is_json_that_says_what_was_asked_for(tmp_path):
    build(LINEAR, 0, tmp_path)
    found = json.loads((tmp_path / "data" / "linear.two.json").read_text())
    assert found["settings"]["kwargs"] == {"system_seed": 3}
    assert found["dropped"] == 0


class NeverFinite(gymnasium.Env):
    """All episodes of this one break down."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.full(2, np.inf, np.float32), 0.0, False, False, {}


def test_an_environment_that_always_diverges_is_told(tmp_path):
    gymnasium.register("test/NeverFinite-v0", entry_point=NeverFinite, disable_env_checker=True)
    try:
        config = replace(LINEAR, env="test/NeverFinite-v0", bodies={"a": {}})
        with pytest.raises(DataError, match=r"episodes diverged: choose gentler actions"):
            build(config, 0, tmp_path)
        with pytest.raises(DataError, match="no collector of its own: use policy 'random'"):
            build(replace(config, data=CollectConfig(policy="contact")), 0, tmp_path)
    finally:
        del gymnasium.registry["test/NeverFinite-v0"]
    assert not (tmp_path / "data").exists()


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


GOOD = idx(np.zeros((3, 2, 2)))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "does not begin with two zero bytes"),
        (b"PNG and more", "does not begin with two zero bytes"),
        (GOOD[:-1], r"11 entries, expected 12 for shape \(3, 2, 2\)"),
        (GOOD + b"x", "13 entries, expected 12"),
        (GOOD[:9], "header is cut off"),
        (idx(np.zeros(4), kind=0x0D), "type 0x0d, expected unsigned bytes"),
        (b"\0\0\x08\x01\xff\xff\xff\xff", "expected 4294967295"),
    ],
)
def test_damaged_idx_files_are_told(tmp_path, content, text):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=text):
        read_idx(path)


def test_damaged_gzip_files_are_told(tmp_path):
    path = tmp_path / "images.gz"
    packed = gzip.compress(GOOD)
    for content in (packed[:-9], b"no gzip", packed[:12] + b"\xff\xff\xff" + packed[15:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read"):
            read_idx(path)


def write(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    usual = {
        "train_images": np.zeros((4, 2, 2)),
        "train_labels": np.arange(4),
        "t10k_images": np.zeros((2, 2, 2)),
        "t10k_labels": np.arange(2),
    }
    for name, array in {**usual, **arrays}.items():
        part, what = name.split("_")
        axes = 3 if what == "images" else 1
        (folder / f"{part}-{what}-idx{axes}-ubyte").write_bytes(idx(array))
    return folder


def test_idx_folders_that_do_not_fit_are_told(tmp_path):
    folder = write(tmp_path / "a")
    assert build(IdxStream(folders=(folder,), tasks=2)).n_in == 4
    write(folder, train_labels=np.arange(3))
    with pytest.raises(DataError, match=r"images have shape \(4, 2, 2\) and labels \(3,\)"):
        build(IdxStream(folders=(folder,)))
    write(folder, t10k_images=np.zeros((2, 3, 3)))
    with pytest.raises(DataError, match="training images have 4 pixels, test images 9"):
        build(IdxStream(folders=(folder,)))
    write(folder)
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="no file 'train-labels-idx1-ubyte' or"):
        build(IdxStream(folders=(folder,)))
    with pytest.raises(DataError, match="no folder"):
        build(IdxStream(folders=(tmp_path / "nowhere",)))


def test_data_sets_of_other_image_sizes_and_missing_classes_are_told(tmp_path):
    a = write(tmp_path / "a")
    b = write(tmp_path / "b", train_images=np.zeros((4, 3, 3)), t10k_images=np.zeros((2, 3, 3)))
    with pytest.raises(DataError, match=r"images of \[4, 9\] pixels"):
        build(IdxStream(folders=(a, b), mode="sequence"))
    with pytest.raises(DataError, match=r"no images of the classes \[2, 3\]"):
        build(IdxStream(folders=(a,), mode="split"))
