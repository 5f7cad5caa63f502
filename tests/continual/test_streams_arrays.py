"""Streams of images: permuted and split digits, and IDX files in a user's folder."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import torch

from sparsectl.continual.streams import IdxStream, PermutedDigits, SplitDigits, build

torch.set_num_threads(1)


def equal(a, b):
    return len(a.tasks) == len(b.tasks) and all(
        torch.equal(getattr(x, n), getattr(y, n))
        for x, y in zip(a.tasks, b.tasks, strict=True)
        for n in ("inputs", "targets", "test_inputs", "test_targets")
    )


def test_permuted_digits_are_the_same_images_in_other_orders():
    stream = build(PermutedDigits(tasks=4, identity_first=True), seed=3)
    assert (stream.kind, stream.n_in, stream.n_out, len(stream.tasks)) == (
        "classification", 64, 10, 4,
    )  # fmt: skip
    first = stream.tasks[0]
    assert first.inputs.dtype == torch.float32
    assert (len(first.inputs), len(first.test_inputs)) == (1438, 359)
    assert first.inputs.min() == 0
    assert first.inputs.max() == 1
    for task in stream.tasks[1:]:
        assert torch.equal(task.targets, first.targets)
        assert not torch.equal(task.inputs, first.inputs)
        assert torch.equal(task.inputs.sort(1).values, first.inputs.sort(1).values)
    # one order of pixels a task, for training and test images alike
    moved = stream.tasks[1]
    order = [
        int(np.flatnonzero((first.inputs == moved.inputs[:, [j]]).all(0))[0]) for j in range(64)
    ]
    assert torch.equal(moved.test_inputs[:, 20], first.test_inputs[:, order[20]])


def test_a_longer_stream_begins_like_a_shorter_one_and_seeds_differ():
    few, many = build(PermutedDigits(tasks=3), seed=1), build(PermutedDigits(tasks=6), seed=1)
    assert torch.equal(few.tasks[2].inputs, many.tasks[2].inputs)
    assert equal(few, build(PermutedDigits(tasks=3), seed=1))
    other = build(PermutedDigits(tasks=3), seed=2)
    assert not torch.equal(few.tasks[0].inputs, other.tasks[0].inputs)
    assert torch.equal(few.tasks[0].test_targets, other.tasks[0].test_targets)


def test_a_thousand_tasks_are_made_when_they_are_asked_for():
    stream = build(PermutedDigits(tasks=1000))
    assert len(stream.tasks) == 1000
    assert stream.tasks[-1].name == "permutation 1000"
    assert [t.name for t in stream.tasks[2:4]] == ["permutation 3", "permutation 4"]
    assert len(list(stream.tasks[:5])) == 5
    with pytest.raises(IndexError):
        stream.tasks[1000]


def test_no_test_image_is_a_training_image():
    task = build(PermutedDigits(tasks=1, identity_first=True)).tasks[0]
    train = {row.numpy().tobytes() for row in task.inputs}
    assert sum(row.numpy().tobytes() in train for row in task.test_inputs) == 0


@pytest.mark.parametrize(("classes", "tasks"), [(1, 10), (2, 5), (5, 2)])
def test_split_digits_divide_the_classes(classes, tasks):
    stream = build(SplitDigits(classes=classes))
    assert (len(stream.tasks), stream.n_out) == (tasks, 10)
    seen = [set(t.targets.tolist()) for t in stream.tasks]
    assert [len(s) for s in seen] == [classes] * tasks
    assert set().union(*seen) == set(range(10))
    assert all(set(t.test_targets.tolist()) == s for t, s in zip(stream.tasks, seen, strict=True))
    assert sum(len(t.inputs) for t in stream.tasks) == 1438


def test_labels_within_a_task_share_the_outputs():
    stream = build(SplitDigits(labels="within", shuffle=True), seed=4)
    assert stream.n_out == 2
    assert all(set(t.targets.tolist()) == {0, 1} for t in stream.tasks)
    names = [t.name for t in stream.tasks]
    assert names != [t.name for t in build(SplitDigits(labels="within")).tasks]
    plain = build(SplitDigits(shuffle=True), seed=4).tasks[0]
    group = [int(c) for c in names[0].split()[1:]]
    assert torch.equal(torch.tensor(group)[stream.tasks[0].targets], plain.targets)


def write_idx(path, array):
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_folder(folder, rng, gz="", classes=4, side=5):
    folder.mkdir()
    for part, n in (("train", 40), ("t10k", 12)):
        write_idx(folder / f"{part}-images-idx3-ubyte{gz}", rng.integers(0, 256, (n, side, side)))
        write_idx(folder / f"{part}-labels-idx1-ubyte{gz}", np.arange(n) % classes)
    return folder


@pytest.mark.parametrize("gz", ["", ".gz"])
def test_idx_files_are_read_as_they_are(tmp_path, gz):
    folder = write_folder(tmp_path / "mine", np.random.default_rng(0), gz)
    stream = build(IdxStream(folders=(folder,), tasks=3, identity_first=True, train=30))
    expected = np.random.default_rng(0).integers(0, 256, (40, 5, 5)).reshape(40, 25)
    assert (stream.n_in, stream.n_out, len(stream.tasks)) == (25, 4, 3)
    assert np.allclose(stream.tasks[0].inputs.numpy() * 255, expected[:30])
    assert stream.tasks[0].targets.tolist() == (np.arange(30) % 4).tolist()
    assert len(stream.tasks[2].test_inputs) == 12


def test_idx_folders_one_after_another_or_split(tmp_path):
    rng = np.random.default_rng(1)
    a, b = (write_folder(tmp_path / n, rng, classes=c) for n, c in (("a", 4), ("b", 3)))
    stream = build(IdxStream(folders=(a, b), mode="sequence"))
    assert [t.name for t in stream.tasks] == ["a", "b"]
    assert stream.n_out == 4
    parts = build(IdxStream(folders=(a,), mode="split"))
    assert [sorted(set(t.targets.tolist())) for t in parts.tasks] == [[0, 1], [2, 3]]
