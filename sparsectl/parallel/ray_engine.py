"""Ray, for clusters; on one machine it starts a local cluster of `workers` CPUs."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sparsectl.errors import MissingExtra, Terminated
from sparsectl.parallel.base import (
    Collected,
    Engine,
    Outcome,
    Settings,
    describe,
    single_threaded_children,
)
from sparsectl.parallel.sending import pack_start
from sparsectl.parallel.worker import answer, dump_unit, initialize

_refusals: dict[str, str | None] = {}


class RayEngine(Engine):
    """One Ray task per unit; a unit whose worker died is retried by Ray."""

    def __init__(self, settings: Settings) -> None:
        try:
            import ray
        except ImportError:
            raise MissingExtra(
                "engine 'ray' needs the ray extra: pip install 'sparsectl[ray]' "
                "(or choose engine 'process')"
            ) from None
        self._ray, self._workers, self._timeout = ray, settings.workers, settings.timeout
        self._owned = not ray.is_initialized()
        if self._owned:
            _connect(ray, settings.workers)
        # A fresh key per engine: workers of a shared cluster may have served another one.
        setup = pack_start(settings.initializer, settings.initargs)
        self._task = ray.remote(num_cpus=1, max_retries=settings.retries)(_unit)
        self._setup = ray.put((os.urandom(8).hex(), list(sys.path), setup))

    def _run(self, fn: Callable[[Any], Any], items: Sequence[Any], outcomes: Collected) -> None:
        ray, queue = self._ray, list(range(len(items)))[::-1]
        running: dict[Any, tuple[int, float]] = {}
        try:
            while len(outcomes) < len(items):
                while queue and len(running) < self._workers:
                    index = queue.pop()
                    unit = dump_unit(fn, items[index])
                    if isinstance(unit, str):
                        outcomes.add(Outcome(index, None, unit))
                        continue
                    reference = self._task.remote(self._setup, index, unit)
                    running[reference] = (index, time.monotonic())
                if not running:
                    break
                ready, late = self._wait(running)
                for reference in late:
                    ray.cancel(reference, force=True)
                for reference in ready + late:
                    index, _ = running.pop(reference)
                    outcomes.add(self._result(reference, index, late=reference in late))
        except BaseException:
            for reference in running:
                ray.cancel(reference, force=True)
            raise

    def _wait(self, running: dict[Any, tuple[int, float]]) -> tuple[list[Any], list[Any]]:
        """Units that are ready, and units that ran over their time."""
        if self._timeout is None:
            return self._ray.wait(list(running), num_returns=1)[0], []
        ends = {reference: since + self._timeout for reference, (_, since) in running.items()}
        patience = max(0.0, min(ends.values()) - time.monotonic())
        ready, waiting = self._ray.wait(list(running), num_returns=1, timeout=patience)
        return ready, [r for r in waiting if time.monotonic() >= ends[r]]

    def _result(self, reference: Any, index: int, *, late: bool) -> Outcome:
        if late:
            return Outcome(index, None, f"stopped: no result within {self._timeout:g} s")
        try:
            return pickle.loads(self._ray.get(reference))
        except self._ray.exceptions.WorkerCrashedError:
            return Outcome(index, None, "the worker process died")
        except Exception as error:
            return Outcome(index, None, describe(error))

    def close(self) -> None:
        """Stop the local cluster if this engine started it."""
        if self._owned and self._ray.is_initialized():
            self._ray.shutdown()
        self._owned = False


def _connect(ray: Any, workers: int) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if not os.environ.get("RAY_ADDRESS"):
        # num_cpus is explicit: Ray misreads the allocation of some schedulers.
        options |= {"address": "local", "num_cpus": workers, "include_dashboard": False}
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with single_threaded_children():
            ray.init(**options)
    except SystemExit:  # by Ray's own handler of SIGTERM, which leaves with 15 and no word
        raise Terminated from None
    finally:
        if callable(handler) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _unit(setup: tuple[str, list[str], bytes], index: int, unit: bytes) -> bytes:
    """Runs in a Ray worker, which does not see what the driver added to its `sys.path`."""
    key, path, start = setup
    sys.path.extend(p for p in path if p not in sys.path)
    if key not in _refusals:
        _refusals[key] = initialize(start)
    return answer(index, unit, _refusals[key])
