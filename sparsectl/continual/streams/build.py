"""Streams from their settings."""

from __future__ import annotations

from pathlib import Path

from sparsectl.continual.stream import Stream
from sparsectl.continual.streams.arrays import digits, permuted, sequence, split
from sparsectl.continual.streams.config import IdxStream, PermutedDigits, SplitDigits
from sparsectl.continual.streams.dynamics import DynamicsStream, dynamics
from sparsectl.continual.streams.idx import read_folders

StreamConfig = DynamicsStream | PermutedDigits | SplitDigits | IdxStream
"""Settings of a stream, chosen by `kind`."""


def build(config: StreamConfig, seed: int = 0, folder: str | Path | None = None) -> Stream:
    """The stream that settings describe.

    Training and test examples are divided for good, and recordings have a seed of their own.

    Args:
        seed: of orders of pixels and groups of classes.
        folder: of the run: recordings of a dynamics stream are kept there and used again.

    Raises:
        MissingExtra: a package is not installed.
        ConfigError: settings that do not fit the data.
        DataError: files or recordings that are missing, damaged, or of other settings.
    """
    if isinstance(config, DynamicsStream):
        return dynamics(config, folder)
    if isinstance(config, IdxStream):
        return _idx(config, seed)
    images = digits(config.test_fraction)
    if isinstance(config, PermutedDigits):
        return permuted(config.kind, images, config.tasks, config.identity_first, seed)
    return split(config.kind, images, config.classes, config.labels, config.shuffle, seed)


def _idx(config: IdxStream, seed: int) -> Stream:
    sets = read_folders(config.folders, config.train, config.test)
    name = f"{config.mode}_{config.folders[0].name}"
    if config.mode == "permuted":
        return permuted(name, sets[0], config.tasks, config.identity_first, seed)
    if config.mode == "split":
        return split(name, sets[0], config.classes, config.labels, config.shuffle, seed)
    return sequence(
        "_".join(f.name for f in config.folders), [f.name for f in config.folders], sets
    )
