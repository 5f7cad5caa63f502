"""Labels of image files are any numbers: the classes are those that are there."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sparsectl.continual.streams import IdxStream, build


def write(folder: Path, labels: np.ndarray, seed: int = 0) -> Path:
    """A folder of IDX files whose images show their label in the first pixel."""
    folder.mkdir()
    images = np.random.default_rng(seed).integers(0, 255, (len(labels), 3, 3)).astype(np.uint8)
    images[:, 0, 0] = labels
    for part in ("train", "t10k"):
        for name, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())
    return folder


def stream(folders: list[Path], mode: str, **options):
    return build(IdxStream(tuple(folders), mode, **options), seed=0)


@pytest.mark.parametrize("labels", [(1, 2, 3, 4), (0, 1, 2, 3), (10, 20, 30, 200)])
def test_classes_are_the_labels_that_there_are(labels, tmp_path):
    folder = write(tmp_path / "letters", np.resize(labels, 40))
    found = stream([folder], "split", classes=2)
    assert len(found.tasks) == 2
    assert found.n_out == 4
    for i, task in enumerate(found.tasks):
        names = labels[2 * i : 2 * i + 2]
        assert task.name == f"classes {names[0]} {names[1]}"
        shown = np.round(255 * task.inputs[:, 0].numpy()).astype(int)
        np.testing.assert_array_equal(np.array(labels)[task.targets.numpy()], shown)
        assert set(task.targets.tolist()) == {2 * i, 2 * i + 1}


def test_labels_within_a_task_begin_at_0(tmp_path):
    folder = write(tmp_path / "letters", np.resize((1, 2, 3, 4), 40))
    found = stream([folder], "split", classes=2, labels="within")
    assert found.n_out == 2
    assert all(set(task.targets.tolist()) == {0, 1} for task in found.tasks)


def test_a_class_that_the_first_images_lack_still_counts(tmp_path):
    folder = write(tmp_path / "some", np.array([1, 2, 1, 2, 3, 3, 1, 2]))
    assert stream([folder], "permuted", train=4, test=8).n_out == 3


def test_folders_share_the_outputs_of_all_their_labels(tmp_path):
    folders = [write(tmp_path / n, np.resize(v, 20)) for n, v in (("a", (1, 2)), ("b", (2, 5)))]
    found = stream(folders, "sequence")
    assert found.n_out == 3
    assert [set(task.targets.tolist()) for task in found.tasks] == [{0, 1}, {1, 2}]
