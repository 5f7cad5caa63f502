"""Streams from their settings."""

from __future__ import annotations

from pathlib import Path

from sparsectl.continual.stream import Stream
from sparsectl.continual.streams.arrays import permuted, split
from sparsectl.continual.streams.config import PermutedDigits, SplitDigits
from sparsectl.continual.streams.digits import digits

StreamConfig = PermutedDigits | SplitDigits
"""Settings of a stream, chosen by `kind`."""


def build(config: StreamConfig, seed: int = 0, folder: str | Path | None = None) -> Stream:
    """The stream that settings describe.

    Args:
        config: of any kind of stream.
        seed: of permutations and groups of classes.
        folder: of the run: where recorded data are kept.

    Raises:
        MissingExtra: a package is not installed.
        ConfigError: settings that do not fit the data.
    """
    if isinstance(config, PermutedDigits):
        images = digits(config.test_fraction)
        return permuted(config.kind, images, config.tasks, config.identity_first, seed)
    images = digits(config.test_fraction)
    return split(config.kind, images, config.classes, config.labels, config.shuffle, seed)
