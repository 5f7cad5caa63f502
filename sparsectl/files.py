"""Files that are either whole or absent, and folders that are never overwritten silently."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from sparsectl.errors import SparsectlError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class FileError(SparsectlError):
    """A file or folder cannot be read or written, or holds results that would be overwritten."""


def write_atomic(path: str | Path, content: str | bytes) -> Path:
    """Write a whole file: readers and crashes see the old content or the new, never a part.

    Missing parent folders are made.

    Raises:
        FileError: the folder cannot be written (read-only, a file in the way, disk full).
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    with readable_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            write_synced(temporary, data)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    return path


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file through to the disk."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def append_line(path: str | Path, line: str) -> None:
    """Append one line in one write, on a line of its own even after a torn last line.

    Raises:
        FileError: the file cannot be written.
    """
    path = Path(path)
    with readable_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            start = b""
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                start = b"" if file.read(1) == b"\n" else b"\n"
            file.write(start + line.rstrip("\n").encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def read_json(path: str | Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        FileError: missing, unreadable, not JSON or no mapping.
    """
    path = Path(path)
    with readable_errors(path, "read"):
        content = path.read_bytes()
    try:
        value = json.loads(content)
    except ValueError as error:
        raise FileError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise FileError(f"{path}: expected a mapping, got {type(value).__name__}; restore it")
    return value


def write_json(path: str | Path, value: Any) -> Path:
    """Write JSON atomically; non-finite numbers are refused, as JSON has none.

    Raises:
        FileError: the folder cannot be written, or `value` is not plain finite JSON.
    """
    try:
        text = json.dumps(value, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FileError(f"{path}: cannot be written as JSON: {error}") from None
    return write_atomic(path, text + "\n")


def read_json_lines(path: str | Path) -> list[Any]:
    """Values of a JSON-lines file; a line torn by a crash is skipped, a missing file is empty."""
    path = Path(path)
    if not path.exists():
        return []
    with readable_errors(path, "read"):
        lines = path.read_bytes().splitlines()
    values = []
    for line in lines:
        try:
            values.append(json.loads(line))
        except ValueError:
            continue
    return values


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV text; the header has the names of all of them, in order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def fresh_folder(path: str | Path, force: bool = False) -> Path:
    """A writable folder without results, made with its parents; hidden files are none.

    Args:
        force: accept a folder that holds files (they stay until something replaces them).

    Raises:
        FileError: the folder holds files and `force` is off, or it cannot be written.
    """
    path = Path(path)
    if path.is_dir() and any(p.name[0] != "." for p in path.iterdir()) and not force:
        raise FileError(
            f"'{path}' already holds results and is not overwritten: choose another folder "
            f"(for example '{_free_sibling(path)}'), remove it, or pass --force"
        )
    return writable_folder(path)


def writable_folder(path: str | Path) -> Path:
    """The folder, made if missing, after a test write.

    Raises:
        FileError: it cannot be made or written.
    """
    path = Path(path)
    with readable_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    return path


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A folder inside another for what is being written, removed in the end.

    Those that killed processes left there are removed first: their locks have gone with them.
    Where the file system has no locks they stay.
    """
    for old in folder.glob(".writing-*"):
        with suppress(OSError), _held(old):
            shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as name, ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(_held(Path(name)))
        yield Path(name)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def check_space(folder: str | Path, size: int) -> None:
    """Ask for the space that a file will need, for writers that do not survive a full disk.

    Args:
        size: of the file [bytes], rather too large than too small.

    Raises:
        FileError: there is less, or the user may write less.
    """
    with readable_errors(Path(folder)), tempfile.TemporaryFile(dir=folder) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in _FULL:
                return  # a file system that cannot tell
            raise OSError(error.errno, f"{error.strerror} for {size / 1e6:.1f} MB") from error


@contextmanager
def readable_errors(
    path: Path, verb: str = "write", kind: type[SparsectlError] = FileError
) -> Iterator[None]:
    """What the system refuses for a path leaves as an error of this kind that says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        advice = "choose a folder that you can write to" if verb == "write" else "check the path"
        if error.errno in _FULL:
            advice = "free some space (what was finished is kept), or choose another folder"
        raise kind(f"cannot {verb} '{path}': {reason[0].lower()}{reason[1:]}; {advice}") from error


def _free_sibling(path: Path) -> Path:
    number = 2
    while path.with_name(f"{path.name}-{number}").exists():
        number += 1
    return path.with_name(f"{path.name}-{number}")


@contextmanager
def same_folder() -> Iterator[None]:
    """The working directory is the same afterwards, if there is one: code of the user's that
    changes it would move a run, whose paths may be relative."""
    before = _working_folder()
    try:
        yield
    finally:
        if before is not None and _working_folder() != before:
            os.chdir(before)


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it has been removed
        return None


def sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the platform allows it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
