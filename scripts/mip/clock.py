"""Limits in CPU seconds, for a process that runs one benchmark and ends.

SCIP can measure CPU time itself, but then asks the kernel so often that it runs up to twice as
long on some machines. Here SCIP reads the wall clock and a thread interrupts it.
"""

from __future__ import annotations

import threading
import time

import pyscipopt

_LOOSE = 5.0
"""SCIP's own limit is this much longer: a process may get a part of a core only."""
_PERIOD = 0.02


def count_cpu_seconds() -> None:
    """From now on deadlines and traces of every planner in this process count CPU seconds."""
    time.perf_counter = time.process_time  # type: ignore[assignment]
    pyscipopt.Model = _Model


class _Model(pyscipopt.Model):
    """SCIP whose time limit is in CPU seconds of the process."""

    cpu_limit: float | None = None

    def setParam(self, name, value):
        if name == "limits/time":
            self.cpu_limit, value = value, min(_LOOSE * value, 1e20)
        super().setParam(name, value)

    def optimizeNogil(self):
        if self.cpu_limit is None:
            super().optimizeNogil()
            return
        end, done = time.process_time() + self.cpu_limit, threading.Event()

        def watch() -> None:
            while not done.wait(_PERIOD):
                if time.process_time() >= end:
                    self.interruptSolve()
                    return

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        super().optimizeNogil()
        done.set()
        thread.join()
