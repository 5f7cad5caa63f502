"""Calls side by side in processes that stay, with one deadline for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sparsectl import parallel
from sparsectl.errors import SparsectlError

Call = Callable[[float | None], Any]
"""What is done until a deadline, a `time.perf_counter()` value, or None. All processes of a machine
have that clock, and nobody sets it."""


@dataclass
class Spread:
    """Where calls run.

    Attributes:
        pool: of processes; None: here, one call after another.
        cpu_seconds: processor time that calls in them took.
    """

    pool: parallel.Engine | None = None
    workers: int = 1
    cpu_seconds: float = 0.0

    def run(self, calls: Sequence[Call], ends: Sequence[float | None]) -> list[Any]:
        """What calls give, in their order.

        Args:
            calls: as many as wanted; those that wait begin when others are done.
            ends: of each, see `Call`.

        Raises:
            SparsectlError: a call failed in its process, or the process died.
        """
        if self.pool is None:
            return [call(end) for call, end in zip(calls, ends, strict=True)]
        outcomes = self.pool.map(_call, list(zip(calls, ends, strict=True)))
        for outcome in outcomes:
            if outcome.error is not None:
                raise SparsectlError(f"verify: a process failed: {outcome.error}")
        self.cpu_seconds += sum(outcome.value[1] for outcome in outcomes)
        return [outcome.value[0] for outcome in outcomes]


HERE = Spread()


@contextmanager
def spread(workers: int) -> Iterator[Spread]:
    """Processes, which are started by the first call; none where there is one worker."""
    if workers == 1:
        yield HERE
        return
    with parallel.pool("process", workers=workers) as pool:
        yield Spread(pool, workers)


def _call(given: tuple[Call, float | None]) -> tuple[Any, float]:
    """What a call gives, and the processor time it took [s]."""
    (call, end), began = given, time.process_time()
    value = call(end)
    return value, time.process_time() - began
