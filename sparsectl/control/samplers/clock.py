"""Rounds of an anytime planner: a fixed number, or as many as fit before the deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator


def rounds(count: int | None, deadline: float | None, *, default: int) -> Iterator[int]:
    """Count rounds up from 0, at least one.

    Another round starts only if one as slow as the recent slowest would still end in time.

    Args:
        count: number of rounds; None: until the deadline.
        deadline: `time.perf_counter()` value, or None.
        default: number of rounds when neither is given.
    """
    if count is None and deadline is None:
        count = default
    slowest, done = 0.0, 0
    while True:
        started = time.perf_counter()
        yield done
        done += 1
        now = time.perf_counter()
        slowest = max(0.9 * slowest, now - started)
        if done == count or (deadline is not None and now + slowest > deadline):
            return
