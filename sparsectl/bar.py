"""Progress of long work on stderr: a bar on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import suppress
from typing import Any

from tqdm import tqdm

EVERY = 10.0
"""Time between two lines [s]."""


class Bar(tqdm):
    """`tqdm` that knows what to do where stderr is not a terminal, but a log file or a pipe.

    Args:
        shown: True: a bar; False: nothing; None: a bar on a terminal, elsewhere a line every
            `EVERY` seconds, however long the work takes until its next step.
        options: of `tqdm`.
    """

    def __init__(self, *, shown: bool | None = None, **options: Any) -> None:
        self._ended = threading.Event()
        self._lines = shown is None and not sys.stderr.isatty()
        where = io.StringIO() if self._lines else sys.stderr
        self._thread = threading.Thread(target=self._tell, daemon=True)
        super().__init__(file=where, disable=shown is False, **options)
        if self._lines:
            if 0 < self.initial < (self.total or float("inf")):
                self._line()
            with suppress(RuntimeError):  # no thread is to be had: no lines
                self._thread.start()

    def close(self) -> None:
        """End it; the last state stays on the screen, or is the last line."""
        told = self._lines and not self._ended.is_set()
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()  # no line after the last one
        super().close()
        if told and self.format_dict["elapsed"] > EVERY:
            self._line()

    def _tell(self) -> None:
        while not self._ended.wait(EVERY):
            self._line()

    def _line(self) -> None:
        known = self.format_dict
        done, total, seconds = known["n"], known["total"], known["elapsed"]
        text = f"{(known['prefix'] or 'progress').rstrip(': ')}: {done}"
        text += f" of {total} {known['unit']}" if total else f" {known['unit']}"
        new = done - self.initial
        text += " done before" if done and not new else ""
        if total and new > 0 and done < total:
            left = f", about {seconds * (total - done) / new:.0f} s left"
        else:
            left = ""
        more = f", {known['postfix']}" if known["postfix"] else ""
        print(f"{text}, {seconds:.0f} s{left}{more}", file=sys.stderr, flush=True)
