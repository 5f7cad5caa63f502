"""Processes of this machine, one unit at a time each: a death is blamed on the right unit.

`concurrent.futures` breaks every pending future when one worker dies and does not say whose
unit it was; here each worker has its own pipe.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from sparsectl.errors import SparsectlError
from sparsectl.parallel.base import Collected, Engine, Outcome, Settings, single_threaded_children
from sparsectl.parallel.sending import hidden_script, pack_start
from sparsectl.parallel.worker import dump_unit, serve

# Slow to load, and the same wherever workers are forked: they start no threads and read no
# settings, as MuJoCo does (MUJOCO_GL).
_SLOW = (
    "torch", "torch._dynamo", "scipy.optimize", "scipy.stats", "matplotlib.figure", "rich.table",
    "networkx", "gymnasium",
)  # fmt: skip


_LONGEST = 70
"""Letters of the folder of temporary files up to which the name of a socket in it is allowed: 108
in all, of which `multiprocessing` takes 32."""


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    index: int | None = None
    since: float = 0.0


class ProcessEngine(Engine):
    """At most `workers` processes; a dead one is replaced."""

    def __init__(self, settings: Settings) -> None:
        self._limit, self._start = settings.workers, (settings.initializer, settings.initargs)
        self._retries, self._timeout = settings.retries, settings.timeout
        self._workers: list[_Worker] = []

    def _run(self, fn: Callable[[Any], Any], items: Sequence[Any], outcomes: Collected) -> None:
        pending, deaths = deque(range(len(items))), [0] * len(items)
        while len(outcomes) < len(items):
            self._hand_out(fn, items, pending, outcomes.add)
            for worker, result in self._collect():
                index, worker.index = worker.index, None
                assert index is not None
                if isinstance(result, Outcome):
                    outcomes.add(result)
                    continue
                self._remove(worker)
                deaths[index] += 1
                if result.retry and deaths[index] <= self._retries:
                    pending.appendleft(index)
                else:
                    outcomes.add(Outcome(index, None, result.reason))

    def close(self) -> None:
        """Stop every worker at once."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in list(self._workers):
            self._remove(worker)

    def _hand_out(
        self,
        fn: Callable[[Any], Any],
        items: Sequence[Any],
        pending: deque[int],
        done: Callable[[Outcome], None],
    ) -> None:
        while pending:
            idle = next((w for w in self._workers if w.index is None), None)
            if idle is None and len(self._workers) >= self._limit:
                return
            index = pending.popleft()
            unit = dump_unit(fn, items[index])
            if isinstance(unit, str):
                done(Outcome(index, None, unit))
                continue
            try:
                worker = idle or self._spawn()
            except (OSError, EOFError) as error:
                if not self._workers:
                    raise SparsectlError(
                        f"no worker process can be started ({str(error) or 'it died'}): end other "
                        "processes, raise `ulimit -u`, or work in this one by `engine: serial`, "
                        "where there is that, or `workers: 1`"
                    ) from error
                self._limit = len(self._workers)  # those that there are do it
                pending.appendleft(index)
                return
            worker.index, worker.since = index, time.monotonic()
            with contextlib.suppress(OSError):  # A dead worker: `_collect` sees its closed pipe.
                worker.connection.send_bytes(index.to_bytes(8, "little") + unit)

    def _collect(self) -> list[tuple[_Worker, Outcome | _Death]]:
        """Wait until at least one busy worker answered, died or ran over its time."""
        busy: dict[Any, _Worker] = {w.connection: w for w in self._workers if w.index is not None}
        if not busy:
            return []
        patience = None
        if self._timeout is not None:
            oldest = min(w.since for w in busy.values())
            patience = max(0.0, oldest + self._timeout - time.monotonic())
        found: list[tuple[_Worker, Outcome | _Death]] = []
        for connection in wait(list(busy), patience):
            worker = busy.pop(connection)
            try:
                found.append((worker, pickle.loads(worker.connection.recv_bytes())))
            except (EOFError, OSError):
                worker.process.join(5)
                why = _why(worker.process.exitcode)
                found.append((worker, _Death(f"the worker process died ({why})")))
        if self._timeout is not None:
            for worker in busy.values():
                if time.monotonic() - worker.since >= self._timeout:
                    reason = f"stopped: no result within {self._timeout:g} s"
                    found.append((worker, _Death(reason, retry=False)))
        return found

    def _spawn(self) -> _Worker:
        context = _context()
        ours, theirs = context.Pipe()
        with single_threaded_children(), hidden_script():
            start = (theirs, pack_start(*self._start), dict(os.environ))
            process = context.Process(target=serve, args=start)
            process.start()
        theirs.close()  # Ours alone keeps no pipe open: a dead worker reads as end of file.
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _remove(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.process.terminate()
        worker.process.join(2)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        self._workers.remove(worker)


def _context() -> Any:
    """On Linux workers are forked from one process, which loads once what is slow to load.

    They find it by a socket among the temporary files, whose name must not be long.
    """
    if sys.platform != "linux" or len(tempfile.gettempdir()) > _LONGEST:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([name for name in _SLOW if name in sys.modules])
    return context


def _why(code: int | None) -> str:
    """What an exit code means, and what to do."""
    if code is None or code >= 0:
        return f"exit code {code}: what it ran has ended it"
    if -code == signal.SIGKILL:
        return "SIGKILL: most often the memory was used up; use fewer workers"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"{name}: a crash in compiled code; stderr says where Python was"


@dataclass(frozen=True)
class _Death:
    reason: str
    retry: bool = True
