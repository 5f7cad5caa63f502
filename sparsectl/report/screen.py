"""Tables on standard output: whole where it is a file or a pipe, fitted where it is a terminal."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from sparsectl.parallel import tolerant_streams

_WIDE = 1_000
_READABLE = 12
"""Words are not broken into pieces shorter than this."""


class Screen(Console):
    """A console that never cuts a number: what a narrow terminal has no room for goes below.

    Words are broken; of columns, those that do not fit follow in a table of their own, beside the
    first column again.
    """

    def on_broken_pipe(self) -> None:
        """Let it pass, as `print` does; Rich would end the process."""
        raise BrokenPipeError

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`."""
        for each in objects:
            parts = _fit(self, each) if isinstance(each, Table) else [each]
            for part in parts:
                super().print(part, **options)


def console() -> Screen:
    """Standard output: as wide as the terminal, and where it is none, as what is printed.

    What its encoding lacks is replaced.
    """
    tolerant_streams()
    screen = Screen()
    return screen if screen.is_terminal else Screen(width=_WIDE)


def _fit(screen: Console, table: Table) -> list[Table]:
    """The table, or tables of some of its columns each, that are no wider than the terminal."""
    for column in table.columns:
        column.no_wrap = column.justify == "right"
        column.overflow = "fold"
        lines = [x for cell in (column.header, *column.cells) for x in str(cell).split("\n")]
        widest = max(map(cell_len, lines))
        column.min_width = widest if column.no_wrap else min(widest, _READABLE)
    free = screen.options.update(width=_WIDE, max_width=_WIDE)
    count = len(table.columns)
    while count > 2:
        part = _columns(table, range(count))
        if Measurement.get(screen, free, part).minimum <= screen.width:
            break
        count -= 1
    if count == len(table.columns):
        return [table]
    rest = _columns(table, [0, *range(count, len(table.columns))])
    rest.title = None
    return [_columns(table, range(count)), *_fit(screen, rest)]


def _columns(table: Table, chosen: Sequence[int]) -> Table:
    part = copy.copy(table)
    part.columns = [
        dataclasses.replace(table.columns[old], _index=new) for new, old in enumerate(chosen)
    ]
    return part
