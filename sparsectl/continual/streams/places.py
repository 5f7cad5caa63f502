"""Entries of a vector, written as in `"0:3, 5:17"`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sparsectl.errors import ConfigError

_PART = re.compile(r"(\d+)(?::(\d+))?")


def entries(text: str, where: str) -> tuple[int, ...]:
    """Numbers of the entries, in the order given.

    Args:
        text: slices `first:last` (last excluded) and single numbers, with commas between them.

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


def differences(relative: Mapping[str, str]) -> tuple[tuple[int, int], ...]:
    """Pairs (i, j) of entries, i to be read as its difference from j.

    Args:
        relative: e.g. `{"0:4": "8:10"}` for (0, 8), (1, 9), (2, 8), (3, 9).

    Raises:
        ConfigError: not of that form, numbers that do not divide, an entry that is made relative
            twice, or one that is both relative and a reference.
    """
    pairs: list[tuple[int, int]] = []
    for text, reference in relative.items():
        own, others = (entries(t, "dynamics: relative") for t in (text, reference))
        if len(own) % len(others):
            raise ConfigError(
                f"dynamics: relative: {len(own)} entries '{text}' cannot be divided among "
                f"{len(others)} of '{reference}'"
            )
        pairs += [(i, others[k % len(others)]) for k, i in enumerate(own)]
    changed = [i for i, _ in pairs]
    if len(set(changed)) < len(changed) or set(changed) & {j for _, j in pairs}:
        raise ConfigError(
            f"dynamics: relative {dict(relative)}: an entry comes twice, or is itself a reference"
        )
    return tuple(pairs)
