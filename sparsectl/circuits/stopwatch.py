"""What a run has cost so far, over all of its calls."""

from __future__ import annotations

import time


class Stopwatch:
    """Goes on from what earlier calls used.

    Args:
        seconds: wall-clock time used before [s].
        cpu_seconds: processor time used before [s]; None: not known, and so it stays.
    """

    def __init__(self, seconds: float = 0.0, cpu_seconds: float | None = 0.0) -> None:
        self._wall = time.perf_counter() - seconds
        self._cpu = None if cpu_seconds is None else time.process_time() - cpu_seconds

    def read(self) -> tuple[float, float | None]:
        """Wall-clock and processor time [s]; of processor time, that of this process with all
        its threads, without other workers'."""
        cpu = None if self._cpu is None else time.process_time() - self._cpu
        return time.perf_counter() - self._wall, cpu
