"""One thread for torch's and numpy's products, where they are small."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_libraries: tuple[int, list[Any]] = (0, [])


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread inside, for torch if it is loaded and for every BLAS; as before afterwards.

    Batches of small networks only lose by sharing a core's caches. With two threads on a busy
    machine every product waits for the slower of them, up to a hundred times longer than it takes
    alone.
    """
    torch, libraries = sys.modules.get("torch"), _blas()
    threads = None if torch is None else torch.get_num_threads()
    before = [library.get_num_threads() for library in libraries]
    _set(torch, 1, libraries, [1] * len(libraries))
    try:
        yield
    finally:
        _set(torch, threads, libraries, before)


def _set(torch: Any, threads: int | None, libraries: list[Any], counts: list[int]) -> None:
    if torch is not None and threads is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    for library, count in zip(libraries, counts, strict=True):
        library.set_num_threads(count)


def _blas() -> list[Any]:
    """The BLAS libraries that are loaded, looked for again (4 ms) after something was imported."""
    global _libraries
    if _libraries[0] != len(sys.modules):
        from threadpoolctl import ThreadpoolController

        found = ThreadpoolController().lib_controllers
        _libraries = len(sys.modules), [x for x in found if x.user_api == "blas"]
    return _libraries[1]
