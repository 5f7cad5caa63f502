"""Images and labels in IDX files, the format of MNIST and of what took its place."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparsectl.continual.streams.arrays import Images
from sparsectl.errors import DataError, nearest

_BYTES = 0x08


def read_idx(path: Path) -> np.ndarray:
    """Array of unsigned bytes in an IDX file, plain or gzipped (name ends in .gz).

    The format (LeCun, Cortes and Burges 1998): two zero bytes, the type, the number of axes, their
    lengths as big-endian 32-bit numbers, and the entries.

    Raises:
        DataError: the file is missing, damaged, or not of unsigned bytes.
    """
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"{path}: no IDX file: it does not begin with two zero bytes")
    kind, axes = content[2], content[3]
    if kind != _BYTES:
        raise DataError(f"{path}: entries are of type 0x{kind:02x}, expected unsigned bytes (0x08)")
    start = 4 + 4 * axes
    if axes == 0 or len(content) < start:
        raise DataError(f"{path}: the header is cut off: {axes} axes in {len(content)} bytes")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", axes, 4))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path}: {len(content) - start} entries, expected {math.prod(shape)} for shape "
            f"{shape}: the file is cut off or damaged"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def read_folders(
    folders: Sequence[Path], train: int | None = None, test: int | None = None
) -> list[Images]:
    """Images of folders of four IDX files each, pixels divided by 255.

    Labels are any numbers (those of EMNIST's letters begin at 1): the classes are the different
    ones of all folders, in ascending order.

    Args:
        folders: each holds `train-` and `t10k-` `images-idx3-ubyte` and `labels-idx1-ubyte`,
            plain or with .gz; a dot in place of the last hyphen is accepted.

    Raises:
        DataError: a file is missing or damaged, or the files do not belong together.
    """
    found = []
    for folder in folders:
        parts = (_pair(folder, "train"), _pair(folder, "t10k"))
        sizes = [images.shape[1] for images, _ in parts]
        if sizes[0] != sizes[1]:
            raise DataError(
                f"{folder}: training images have {sizes[0]} pixels, test images {sizes[1]}"
            )
        found.append(parts)
    names = np.unique(np.concatenate([labels for parts in found for _, labels in parts]))
    sets = []
    for parts in found:
        arrays: list[np.ndarray] = []
        for (images, labels), most in zip(parts, (train, test), strict=True):
            arrays.append(images[:most].astype(np.float32) / 255.0)
            arrays.append(np.searchsorted(names, labels[:most]))
        inputs, labels, test_inputs, test_labels = arrays
        named = tuple(names.tolist())
        sets.append(Images(inputs, labels, test_inputs, test_labels, len(names), named))
    return sets


def _pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(_find(folder, f"{part}-images", "idx3-ubyte"))
    labels = read_idx(_find(folder, f"{part}-labels", "idx1-ubyte"))
    if labels.ndim != 1 or images.ndim < 2 or len(images) != len(labels) or not len(labels):
        raise DataError(
            f"{folder}: {part} images have shape {images.shape} and labels {labels.shape}, "
            "expected (n, height, width) and (n,) with n of at least 1"
        )
    return images.reshape(len(images), -1), labels


def _find(folder: Path, name: str, ending: str) -> Path:
    for candidate in (f"{name}-{ending}", f"{name}.{ending}"):
        for path in (folder / candidate, folder / f"{candidate}.gz"):
            if path.is_file():
                return path
    if not folder.is_dir():
        raise DataError(f"no folder '{folder}': expected one with '{name}-{ending}' in it")
    present = [p.name for p in folder.iterdir()]
    raise DataError(
        f"no file '{name}-{ending}' or '{name}-{ending}.gz' in '{folder}'"
        + nearest(f"{name}-{ending}", present)
    )
