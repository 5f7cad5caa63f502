"""One process at a time works in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sparsectl.errors import ConfigError
from sparsectl.files import writable_folder

LOCK = ".lock"
_held: set[Path] = set()


@contextmanager
def held(folder: str | Path | None) -> Iterator[None]:
    """Hold a folder, made if missing, against other processes; within one process it nests.

    None: nothing is held. The lock goes with the process, however it ends. A folder that was
    made here and in which nothing was written is removed again.

    Raises:
        ConfigError: another process holds the folder.
        FileError: the folder cannot be made or written.
    """
    if folder is None:
        yield
        return
    folder = Path(folder).absolute()
    path = folder.resolve() / LOCK
    if path in _held:
        yield
        return
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    writable_folder(folder)
    try:
        with _locked(path):
            _held.add(path)
            try:
                yield
            finally:
                _held.discard(path)
                path.unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # the first one that holds something ends it
            for made in missing:
                made.rmdir()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    file = _opened(path)
    try:
        file.truncate(0)
        with suppress(OSError):  # it only tells others who holds it: a full disk is met later
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        yield
    finally:
        file.close()


def _opened(path: Path) -> IO[str]:
    """The lock file, locked, and still the one that others find under its name."""
    import fcntl

    while True:
        file = open(path, "a+")  # noqa: SIM115 - closing it gives the lock back
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            number = file.read().strip()
            file.close()
            raise ConfigError(
                f"another process{f' ({number})' if number else ''} works on '{path.parent}': "
                "wait for it, or choose another folder or --name"
            ) from None
        except OSError:
            return file  # a file system without locks
        with suppress(FileNotFoundError):
            if os.fstat(file.fileno()).st_ino == os.stat(path).st_ino:
                return file
        file.close()  # it was given back and removed in between
