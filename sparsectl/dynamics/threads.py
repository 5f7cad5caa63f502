"""How many threads torch may use while a small network is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread: batches of small networks only lose by sharing a core's caches.

    With two threads on a busy machine every operation waits for the slower of them, up to a
    hundred times longer than it takes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
