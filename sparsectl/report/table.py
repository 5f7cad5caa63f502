"""One table for every place: terminal, Markdown, CSV and page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from sparsectl.files import csv_text
from sparsectl.report import text
from sparsectl.report.statistics import Interval

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        cell: text of a line; after a line break its interval.
        meaning: what stands there, in words.
        words: its cells are words, not numbers.
        wide: left out of the terminal.
        order: number to sort by in a page; None: by what is shown.
    """

    title: str
    cell: Callable[[Line], str]
    meaning: str = ""
    words: bool = False
    wide: bool = False
    order: Callable[[Line], float | None] | None = None


def word(title: str, key: str, meaning: str = "") -> Column:
    """A column of words or whole numbers as they are; a dash for nothing."""
    return Column(title, lambda r: text.DASH if r.get(key) is None else str(r[key]), meaning, True)


def measure(
    title: str,
    key: str,
    meaning: str = "",
    *,
    show: Callable[[float | None], str] = text.number,
    to: str = "–",
    wide: bool = False,
) -> Column:
    """A number and, on a second line, its interval where there is one.

    The interval is an `Interval`, or the entries `<key>_low` and `<key>_high` of the line.
    """

    def cell(line: Line) -> str:
        found = line.get(key)
        if isinstance(found, Interval):
            bounds = (found.low, found.high) if found.count > 1 else (None, None)
            found = found.value if found.count else None
        else:
            bounds = (line.get(f"{key}_low"), line.get(f"{key}_high"))
        if bounds[0] is None or bounds[1] is None:
            return show(found)
        low, high = show(bounds[0]), show(bounds[1])
        return f"{show(found)}\n{low}{' to ' if high.startswith('-') else to}{high}"

    return Column(title, cell, meaning, wide=wide)


def terminal(
    columns: Sequence[Column],
    lines: Sequence[Line],
    *,
    title: str | None = None,
    bold: Callable[[Line], bool] = lambda _: False,
    intervals: bool = True,
) -> Table:
    """For `rich`; without what is `wide`, and perhaps without intervals."""
    shown = [c for c in columns if not c.wide]
    table = Table(
        title=None if title is None else escape(title),
        title_justify="left",
        box=box.SIMPLE_HEAVY,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in shown:
        heading = column.title.replace(" [", "\n[").replace(" (", "\n(")
        table.add_column(escape(heading), justify="left" if column.words else "right", no_wrap=True)
    for line in lines:
        cells = [column.cell(line) for column in shown]
        if not intervals:
            cells = [cell.split("\n")[0] for cell in cells]
        table.add_row(*map(escape, cells), style="bold" if bold(line) else None)
    return table


def markdown(columns: Sequence[Column], lines: Sequence[Line]) -> str:
    """With intervals in brackets."""
    rows = [[c.title for c in columns], ["---" if c.words else "---:" for c in columns]]
    for line in lines:
        parts = [c.cell(line).split("\n") for c in columns]
        rows.append([p[0] + (f" ({p[1]})" if p[1:] else "") for p in parts])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def csv(lines: Sequence[Line], leave_out: Sequence[str] = ()) -> str:
    """All entries of lines: intervals as three each, counts by name as text, without lists."""
    flat = []
    for line in lines:
        row: dict[str, Any] = {}
        for key, value in line.items():
            if isinstance(value, Interval):
                known = value.count > 0
                row[key] = value.value if known else None
                row |= {f"{key}_{k}": getattr(value, k) if known else None for k in ("low", "high")}
            elif isinstance(value, dict) and key not in leave_out:
                row[key] = text.reasons(value)
            elif not isinstance(value, list) and key not in leave_out:
                row[key] = value
        flat.append(row)
    return csv_text(flat)


def rounded(value: float | None) -> str:
    """As `text.number`; differences that are only rounding are 0."""
    small = value is not None and math.isfinite(value) and abs(value) < 1e-12
    return text.number(0.0 if small else value)
