"""One table for every place: terminal, Markdown, CSV and page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sparsectl.files import csv_text
from sparsectl.report import text
from sparsectl.report.statistics import Interval

Line = Mapping[str, Any]
PAGE = 9
"""`Column.spare` of what stands in pages and Markdown only."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: heading; a unit in brackets.
        cell: text of a line; after a line break its interval.
        meaning: what stands there, in words.
        words: its cells are words, not numbers.
        spare: what is left out first where there is little room is highest; 0: never left out.
        order: number to sort by in a page; None: by what is shown.
    """

    title: str
    cell: Callable[[Line], str]
    meaning: str = ""
    words: bool = False
    spare: int = 0
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
    spare: int = 0,
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
        return f"{show(found)}\n{show(bounds[0])}{to}{show(bounds[1])}"

    return Column(title, cell, meaning, spare=spare)


def terminal(
    columns: Sequence[Column],
    lines: Sequence[Line],
    *,
    title: str | None = None,
    bold: Callable[[Line], bool] = lambda _: False,
    intervals: bool = True,
    width: int | None = None,
) -> Table:
    """For `rich`.

    Args:
        columns, lines: what is shown.
        title: above it.
        bold: lines that stand out.
        intervals: whether cells have their second line.
        width: of the terminal; columns that can be spared are left out until the table fits, and
            then the intervals.
    """
    columns = shown = [c for c in columns if c.spare < PAGE]
    while width is not None and _width(shown, lines, intervals) > width:
        spared = max(shown, key=lambda c: c.spare)
        if spared.spare:
            shown = [c for c in shown if c is not spared]
        elif intervals:
            intervals, shown = False, columns
        else:
            break
    table = Table(
        title=None if title is None else escape(title),
        title_justify="left",
        box=box.SIMPLE_HEAVY,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in shown:
        justify: Any = "left" if column.words else "right"
        fold: Any = "fold" if column.words else "ellipsis"
        heading = escape("\n".join(_heading(column)))
        table.add_column(heading, justify=justify, overflow=fold, no_wrap=not column.words)
    for line in lines:
        cells = (escape("\n".join(_cell(column, line, intervals))) for column in shown)
        table.add_row(*cells, style="bold" if bold(line) else None)
    return table


def _heading(column: Column) -> list[str]:
    return column.title.replace(" [", "\n[").replace(" (", "\n(").split("\n")


def _cell(column: Column, line: Line, intervals: bool) -> list[str]:
    parts = column.cell(line).split("\n")
    return parts if intervals else parts[:1]


def _width(columns: Sequence[Column], lines: Sequence[Line], intervals: bool) -> int:
    """Characters that a table of these takes."""
    texts = [[*_heading(c), *(t for r in lines for t in _cell(c, r, intervals))] for c in columns]
    return sum(max(map(len, text)) + 2 for text in texts)


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


def console(width: int = 120) -> Console:
    """Standard output: as wide as the terminal, or, where it is none, as `width`."""
    out = Console()
    return out if out.is_terminal else Console(width=width)


def rounded(value: float | None) -> str:
    """As `text.number`; differences that are only rounding are 0."""
    small = value is not None and math.isfinite(value) and abs(value) < 1e-12
    return text.number(0.0 if small else value)
