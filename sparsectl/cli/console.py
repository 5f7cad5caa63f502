"""The console script: what only a process that is all ours may do at its beginning and end."""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import sys
import threading
import time
from typing import Any

from sparsectl.cli import main

PATIENCE = 5.0
"""How long threads are waited for that do not end [s]."""


class _Told(io.FileIO):
    """Progress: where its device is full, it is lost and the work is not."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno == errno.EPIPE:  # nobody listens any more: the end, as for stdout
                raise
            return len(data)


def console() -> None:
    """Run the command line and leave with its exit status."""
    if isinstance(sys.stderr, io.TextIOWrapper):  # there is one
        told = io.BufferedWriter(_Told(sys.stderr.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(told, sys.stderr.encoding, "replace", line_buffering=True)
    status = main()
    with contextlib.suppress(RuntimeError):  # no thread is to be had
        threading.Thread(target=_leave, args=(status,), daemon=True).start()
    sys.exit(status)


def _leave(status: int) -> None:
    """End the process although threads are left that Python would wait for without end."""
    time.sleep(PATIENCE)
    mine = threading.main_thread()
    left = sorted({t.name for t in threading.enumerate() if t is not mine and not t.daemon})
    if left:
        print(f"warning: threads that do not end are left: {', '.join(left)}", file=sys.stderr)
        atexit._run_exitfuncs()
        os._exit(status)
