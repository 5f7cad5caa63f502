"""A stream of one data set after another."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sparsectl.continual.stream import Stream, StreamTask
from sparsectl.continual.streams.arrays import Images
from sparsectl.errors import DataError


def sequence(name: str, titles: Sequence[str], sets: Sequence[Images]) -> Stream:
    """A stream whose tasks are data sets of the same size of images, on the same outputs.

    Args:
        name: of the stream.
        titles: of the tasks.
        sets: one for each task.

    Raises:
        DataError: images of different sizes.
    """
    sizes = {s.inputs.shape[1] for s in sets}
    if len(sizes) > 1:
        raise DataError(
            f"{name}: images of {sorted(sizes)} pixels; a stream needs images of one size"
        )
    tasks = tuple(
        StreamTask(
            title,
            torch.as_tensor(s.inputs),
            torch.as_tensor(s.labels),
            torch.as_tensor(s.test_inputs),
            torch.as_tensor(s.test_labels),
        )
        for title, s in zip(titles, sets, strict=True)
    )
    return Stream(name, "classification", tasks, max(s.classes for s in sets))
