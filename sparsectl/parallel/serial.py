"""The engine without workers: for debugging, and for the smallest jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sparsectl.parallel.base import Collected, Engine, Settings, attempt


class SerialEngine(Engine):
    """Runs units one after another in this process."""

    def __init__(self, settings: Settings) -> None:
        self._start = (settings.initializer, settings.initargs)

    def _run(self, fn: Callable[[Any], Any], items: Sequence[Any], outcomes: Collected) -> None:
        initializer, initargs = self._start
        if initializer is not None:
            initializer(*initargs)
            self._start = (None, ())
        for index, item in enumerate(items):
            outcomes.add(attempt(fn, index, item))
