"""Tables on standard output: whole where it is a file or a pipe, fitted where it is a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from sparsectl.parallel import tolerant_streams

_WIDE = 1_000


class Screen(Console):
    """A console that never cuts a number: what a narrow terminal has no room for is left out.

    Words are broken; columns go from the last one on, and are named below the table.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`."""
        left_out = [
            name for each in objects if isinstance(each, Table) for name in _fit(self, each)
        ]
        super().print(*objects, **options)
        if left_out:
            super().print(
                f"not shown, the terminal is too narrow: {', '.join(left_out)}",
                style="dim",
                markup=False,
            )


def console() -> Screen:
    """Standard output: as wide as the terminal, and where it is none, as what is printed.

    What its encoding lacks is replaced.
    """
    tolerant_streams()
    screen = Screen()
    return screen if screen.is_terminal else Screen(width=_WIDE)


def _fit(screen: Console, table: Table) -> list[str]:
    """Remove columns until the table fits. Returns their headings."""
    for column in table.columns:
        column.no_wrap = column.justify == "right"
        column.overflow = "fold"
    left_out: list[str] = []
    free = screen.options.update(width=_WIDE, max_width=_WIDE)
    while len(table.columns) > 2:
        if Measurement.get(screen, free, table).minimum <= screen.width:
            break
        left_out.insert(0, str(table.columns.pop().header).replace("\n", " "))
    return left_out
