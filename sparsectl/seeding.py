"""One integer seed fans out into independent streams by `numpy.random.SeedSequence`."""

from __future__ import annotations

import zlib

import numpy as np

EVALUATION_SEED = 10_000
"""Episode i of every evaluation resets with `EVALUATION_SEED + i`, for every controller."""


def stream(seed: int, *names: str | int) -> np.random.SeedSequence:
    """Independent stream for a purpose, e.g. `stream(0, "train", member)`.

    The key is made of the names only, so adding a stream never shifts another one.
    """
    keys = [n if isinstance(n, int) else zlib.crc32(n.encode()) for n in names]
    return np.random.SeedSequence(entropy=int(seed), spawn_key=tuple(keys))


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Numpy generator of `stream(seed, *names)`."""
    return np.random.default_rng(stream(seed, *names))


def integer(seed: int, *names: str | int) -> int:
    """A 32-bit seed of `stream(seed, *names)`, for libraries that take integers."""
    return int(stream(seed, *names).generate_state(1)[0])
