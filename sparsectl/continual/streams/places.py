"""Entries of a vector, written as in `"0:3, 5:17"`."""

from __future__ import annotations

import re

from sparsectl.errors import ConfigError

_PART = re.compile(r"(\d+)(?::(\d+))?")


def entries(text: str, where: str) -> tuple[int, ...]:
    """Numbers of the entries, in the order given.

    Args:
        text: slices `first:last` (last excluded) and single numbers, with commas between them.
        where: named in errors.

    Raises:
        ConfigError: not of that form, empty, or an entry twice.
    """
    found: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if not match:
            raise ConfigError(f"{where}: '{text}' names no entries: expected for example '0:3, 5'")
        first = int(match[1])
        found += range(first, int(match[2]) if match[2] else first + 1)
    if not found or len(set(found)) < len(found):
        fault = "an entry twice" if found else "no entry"
        raise ConfigError(f"{where}: '{text}' names {fault}: expected for example '0:3, 5'")
    return tuple(found)
