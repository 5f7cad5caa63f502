"""Streams of images and labels: permuted pixels, groups of classes, one data set after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, overload

import numpy as np
import torch

from sparsectl import seeding
from sparsectl.continual.stream import Stream, StreamTask
from sparsectl.errors import ConfigError, DataError, MissingExtra


@dataclass(frozen=True)
class Images:
    """Labelled images, divided for good into training and test ones.

    Attributes:
        inputs, test_inputs: Shape (n, pixels), float32 in [0, 1].
        labels, test_labels: Shape (n,), int64.
        names: what the classes are called where they come from; none: as the labels.
    """

    inputs: np.ndarray
    labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    classes: int
    names: tuple[int, ...] = ()

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Inputs and labels, and those of the test, as a task has them."""
        a, b, c, d = self.inputs, self.labels, self.test_inputs, self.test_labels
        return torch.as_tensor(a), torch.as_tensor(b), torch.as_tensor(c), torch.as_tensor(d)


class PermutedTasks(Sequence[StreamTask]):
    """Tasks that are made when they are asked for: a thousand of them need little memory.

    Args:
        orders: one order of pixels for each task. Shape (tasks, pixels).
    """

    def __init__(self, images: Images, orders: np.ndarray) -> None:
        self._arrays = images.tensors()
        self._orders = torch.as_tensor(orders)
        self._made = lru_cache(maxsize=4)(self._make)

    def __len__(self) -> int:
        return len(self._orders)

    @overload
    def __getitem__(self, index: int) -> StreamTask: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StreamTask]: ...
    def __getitem__(self, index: int | slice) -> StreamTask | Sequence[StreamTask]:
        """One task, or a tuple of several."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"task {index} of {len(self)}")
        return self._made(int(index) % len(self))

    def _make(self, index: int) -> StreamTask:
        inputs, labels, test_inputs, test_labels = self._arrays
        order = self._orders[index]
        return StreamTask(
            f"permutation {index + 1}", inputs[:, order], labels, test_inputs[:, order], test_labels
        )


def permuted(name: str, images: Images, tasks: int, identity_first: bool, seed: int) -> Stream:
    """A stream whose tasks show the same images with their pixels in another order.

    Task i's order depends on (seed, i) only, not on how many tasks there are.
    """
    pixels = images.inputs.shape[1]
    orders = np.stack(
        [seeding.generator(seed, "permutation", i).permutation(pixels) for i in range(tasks)]
    )
    if identity_first:
        orders[0] = np.arange(pixels)
    return Stream(name, "classification", PermutedTasks(images, orders), images.classes)


def split(
    name: str,
    images: Images,
    classes: int,
    labels: Literal["class", "within"],
    shuffle: bool,
    seed: int,
) -> Stream:
    """A stream whose tasks have classes of their own.

    Raises:
        ConfigError: the classes cannot be divided so.
        DataError: a task would have no training or test image.
    """
    if images.classes % classes:
        divisors = [k for k in range(1, images.classes + 1) if images.classes % k == 0]
        raise ConfigError(
            f"{name}: {images.classes} classes cannot be divided into groups of {classes}: "
            f"choose one of {divisors}"
        )
    order = np.arange(images.classes)
    if shuffle:
        order = seeding.generator(seed, "classes").permutation(images.classes)
    tasks = tuple(_of_classes(name, images, group, labels) for group in order.reshape(-1, classes))
    outputs = classes if labels == "within" else images.classes
    return Stream(name, "classification", tasks, outputs)


def sequence(name: str, titles: Sequence[str], sets: Sequence[Images]) -> Stream:
    """A stream whose tasks are data sets of the same size of images, on the same outputs.

    Raises:
        DataError: images of different sizes.
    """
    sizes = {s.inputs.shape[1] for s in sets}
    if len(sizes) > 1:
        raise DataError(
            f"{name}: images of {sorted(sizes)} pixels; a stream needs images of one size"
        )
    tasks = tuple(StreamTask(title, *s.tensors()) for title, s in zip(titles, sets, strict=True))
    return Stream(name, "classification", tasks, max(s.classes for s in sets))


def _of_classes(name: str, images: Images, group: np.ndarray, labels: str) -> StreamTask:
    number = np.arange(images.classes)
    if labels == "within":
        number[group] = np.arange(len(group))
    parts: list[Any] = []
    for inputs, own in (
        (images.inputs, images.labels),
        (images.test_inputs, images.test_labels),
    ):
        chosen = np.isin(own, group)
        if not chosen.any():
            raise DataError(f"{name}: there are no images of the classes {group.tolist()}")
        parts += [torch.as_tensor(inputs[chosen]), torch.as_tensor(number[own[chosen]])]
    inputs, targets, test_inputs, test_targets = parts
    names = images.names or range(images.classes)
    title = "classes " + " ".join(str(names[c]) for c in group)
    return StreamTask(title, inputs, targets, test_inputs, test_targets)


def digits(test_fraction: float) -> Images:
    """1797 digits (Alpaydin and Kaynak 1998), 64 pixels in [0, 1].

    Training and test images do not depend on any seed, so no test image is ever learnt from.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra(
            "streams of digits need scikit-learn: pip install 'sparsectl[continual]'"
        ) from error
    found = load_digits()
    pixels = (found.data / 16.0).astype(np.float32)
    labels = found.target.astype(np.int64)
    order = seeding.generator(0, "digits").permutation(len(labels))
    held = min(max(1, round(test_fraction * len(labels))), len(labels) - 1)
    test, train = np.sort(order[:held]), np.sort(order[held:])
    return Images(pixels[train], labels[train], pixels[test], labels[test], 10)
