"""Results as lines of JSON, each appended as soon as it is there.

A kill in the middle of a write leaves a torn line. Readers skip it; who goes on with the file
mends it first, so that nothing torn stays.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sparsectl.files import append_line, read_json_lines, write_atomic

Row = dict[str, Any]


def read(path: str | Path) -> list[Row]:
    """All whole rows, in order; none where there is no file."""
    return [row for row in read_json_lines(path) if isinstance(row, dict)]


def add(path: str | Path, row: Mapping[str, Any]) -> None:
    """Append a row in one write.

    Raises:
        FileError: the file cannot be written.
        ValueError: a number that is not finite, or something that is not JSON.
    """
    append_line(path, json.dumps(row, allow_nan=False))


def write(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace all rows, atomically."""
    write_atomic(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))


def mend(path: str | Path) -> list[Row]:
    """All whole rows; a file that holds anything else is rewritten without it, atomically."""
    path = Path(path)
    found = read(path)
    if path.is_file():
        content = path.read_bytes()
        if content.count(b"\n") != len(found) or (content and not content.endswith(b"\n")):
            write(path, found)
    return found


def set_aside(path: str | Path) -> Path | None:
    """Rename a file to `<name>.<number><suffix>`, never over another; None where there is none."""
    path = Path(path)
    if not path.exists():
        return None
    number = 1
    while (other := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    os.replace(path, other)
    return other
