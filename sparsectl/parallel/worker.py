"""What runs inside a worker process."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from sparsectl.parallel.base import Outcome, attempt, describe, tell_crashes, tolerant_streams
from sparsectl.parallel.sending import pack, register


def serve(connection: Connection, start: bytes, variables: dict[str, str]) -> None:
    """Answer units `(index, fn, item)` with outcomes until the parent closes the pipe.

    Args:
        start: of `pack_start`.
        variables: the parent's environment; a forked worker has that of an earlier time.
    """
    os.environ.clear()
    os.environ.update(variables)
    np.random.seed()  # noqa: NPY002 - a forked worker would draw what its siblings draw.
    tolerant_streams()
    tell_crashes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops us.
    with contextlib.suppress(RuntimeError):  # no thread is to be had: the closed pipe tells as well
        threading.Thread(target=_leave_with_parent, daemon=True).start()
    refusal = initialize(start)
    while True:
        try:
            data = connection.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            index = int.from_bytes(data[:8], "little")
            connection.send_bytes(answer(index, data[8:], refusal))
        except OSError:
            return


def dump_unit(fn: Callable[[Any], Any], item: Any) -> bytes | str:
    """The pickled unit, or why it cannot be pickled."""
    try:
        return pack((fn, item))
    except Exception as error:
        return f"the unit cannot be pickled: {describe(error)}"


def answer(index: int, unit: bytes, refusal: str | None = None) -> bytes:
    """The pickled outcome of a pickled `(fn, item)`."""
    try:
        fn, item = pickle.loads(unit)
        outcome = Outcome(index, None, refusal) if refusal else attempt(fn, index, item)
        return pack(outcome)
    except Exception as error:
        text = f"the unit or its result cannot be sent between processes: {describe(error)}"
        return pack(Outcome(index, None, text))


def initialize(start: bytes) -> str | None:
    """Set this worker up, as `pack_start` says. Returns why that failed, or None."""
    outcome = attempt(_initialize, 0, start)
    return f"the worker could not be set up: {outcome.error}" if outcome.error else None


def _initialize(start: bytes) -> None:
    specs, initializer, initargs = pickle.loads(start)
    register([pickle.loads(spec) for spec in specs])
    if initializer is not None:
        initializer(*initargs)


def _leave_with_parent() -> None:
    """A killed parent leaves no worker behind, even one in the middle of a unit."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
