"""What every engine offers, and how a unit is run inside a worker."""

from __future__ import annotations

import faulthandler
import io
import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sparsectl.errors import Terminated
from sparsectl.threads import one_thread

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Outcome:
    """Result of one unit.

    Attributes:
        index: position of the item.
        value: what the function returned, or None after an error.
        error: one line saying what went wrong, or None.
        trace: the traceback in the worker, empty without one.
    """

    index: int
    value: Any = None
    error: str | None = None
    trace: str = ""


@dataclass(frozen=True)
class Settings:
    """What engines are made with: the arguments of `parallel.pool`."""

    workers: int
    initializer: Callable[..., Any] | None
    initargs: tuple
    retries: int
    timeout: float | None


class Collected:
    """Outcomes so far, each of which is reported as soon as it is there."""

    def __init__(self, on_result: Callable[[Outcome], object] | None) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self._on_result = on_result

    def __len__(self) -> int:
        return len(self._outcomes)

    def add(self, outcome: Outcome) -> None:
        """Take an outcome in."""
        self._outcomes[outcome.index] = outcome
        if self._on_result is not None:
            self._on_result(outcome)

    def in_order(self) -> list[Outcome]:
        """All of them, in the order of the items."""
        return [self._outcomes[i] for i in sorted(self._outcomes)]


class Engine(ABC):
    """Runs units; a context manager that leaves no worker behind."""

    def map(
        self,
        fn: Callable[[Any], Any],
        items: Sequence[Any],
        *,
        on_result: Callable[[Outcome], object] | None = None,
    ) -> list[Outcome]:
        """`fn(item)` for every item; outcomes in the order of the items."""
        outcomes = Collected(on_result)
        try:
            self._run(fn, items, outcomes)
        except BaseException:
            self.close()
            raise
        return outcomes.in_order()

    @abstractmethod
    def _run(self, fn: Callable[[Any], Any], items: Sequence[Any], outcomes: Collected) -> None:
        """Add an outcome for every item, in any order."""

    def close(self) -> None:  # noqa: B027 - the serial engine has nothing to stop
        """Stop every worker. May be called twice."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def attempt(fn: Callable[[Any], Any], index: int, item: Any) -> Outcome:
    """Run one unit; an exception becomes an outcome with an error."""
    try:
        with one_thread():  # units share the cores, and results stay equal
            return Outcome(index, fn(item))
    except Terminated:  # in this process, not in a worker
        raise
    except (Exception, SystemExit) as error:
        return Outcome(index, None, describe(error), traceback.format_exc())


def describe(error: BaseException) -> str:
    """One line: the kind of error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def tolerant_streams() -> None:
    """Print `?` for what the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def tell_crashes() -> None:
    """Say on stderr where Python was when compiled code takes the process down."""
    if not faulthandler.is_enabled():
        with suppress(OSError, RuntimeError, ValueError):  # no stderr
            faulthandler.enable()


def single_threaded_children() -> AbstractContextManager[None]:
    """Processes started inside use one BLAS and OpenMP thread each."""
    return environment_variables(dict.fromkeys(_THREAD_VARIABLES, "1"))


@contextmanager
def environment_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Inside, these variables have these values; what they had before is put back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
