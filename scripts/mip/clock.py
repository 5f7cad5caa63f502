"""Limits in CPU seconds, for a process that runs one benchmark and ends.

SCIP can measure CPU time itself, but then asks the kernel so often that it runs up to twice as
long on some machines; HiGHS only knows the wall clock. Here both read the wall clock, and are
interrupted when the CPU seconds are spent.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import highspy
import pyscipopt

from sparsectl.mip.backends import highs_model

_LOOSE = 5.0
"""A solver's own limit is this much longer: a process may get a part of a core only."""
_PERIOD = 0.02


def count_cpu_seconds() -> None:
    """From now on deadlines and traces of every planner in this process count CPU seconds."""
    time.perf_counter = time.process_time  # type: ignore[assignment]
    pyscipopt.Model = _Model
    highs_model._Highs = _Highs  # type: ignore[misc]


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


class _Highs(highs_model._Highs):
    """HiGHS whose time limit for a search is in CPU seconds of the process."""

    cpu_end, watched = float("inf"), False

    def setOptionValue(self, name: str, value: Any) -> highspy.HighsStatus:
        if name == "time_limit":
            left = value - self.getRunTime()  # counts from the model's first run
            self.cpu_end = time.process_time() + left
            value = self.getRunTime() + _LOOSE * left
        return super().setOptionValue(name, value)

    def run(self) -> highspy.HighsStatus:
        if self.getLp().integrality_ and not self.watched:
            self.cbMipInterrupt += self._watch
            self.watched = True
        return super().run()

    def _watch(self, event: highspy.highs.HighsCallbackEvent) -> None:
        if time.process_time() >= self.cpu_end:
            event.interrupt()
