"""What this process sends to its workers: units by value, and what its script has registered.

Workers do not run the calling script again: what it defines travels by value, as from a notebook
or standard input, where there is no file to run.
"""

from __future__ import annotations

import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cloudpickle

_KNOWN = ("gymnasium.", "sparsectl.")
_LOCK = threading.Lock()


def pack(value: Any) -> bytes:
    """Bytes that `pickle.loads` reads; what `__main__` defines is in them, not named."""
    return cloudpickle.dumps(value)


def pack_start(initializer: Callable[..., Any] | None, initargs: tuple) -> bytes:
    """What a worker needs before its first unit, for `initialize`."""
    return pack((registrations(), initializer, initargs))


def registrations() -> list[bytes]:
    """Gymnasium environments that were registered here and not by Gymnasium or by us.

    One that cannot be sent is left out: only a unit that asks for it fails.
    """
    gymnasium = sys.modules.get("gymnasium")
    found = []
    for spec in gymnasium.registry.values() if gymnasium is not None else ():
        if isinstance(spec.entry_point, str) and spec.entry_point.startswith(_KNOWN):
            continue
        try:
            found.append(pack(spec))
        except Exception:
            continue
    return found


def register(specs: Sequence[Any]) -> None:
    """Make environments known here, where no module has registered them already."""
    if not specs:
        return
    import gymnasium

    # Importing the module of `module:Name-v0` registers it once more, which is no mistake here.
    warnings.filterwarnings("ignore", message=".*Overriding environment")
    for spec in specs:
        gymnasium.registry.setdefault(spec.id, spec)


@contextmanager
def hidden_script() -> Iterator[None]:
    """Processes spawned inside do not run the calling script again.

    `multiprocessing` asks `sys.modules["__main__"]` what a new process should run first; with an
    empty module there it finds nothing.
    """
    with _LOCK:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script
