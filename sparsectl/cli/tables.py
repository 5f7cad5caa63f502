"""Tables on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from sparsectl.report.screen import console


def show(columns: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None) -> None:
    """Print a table. Columns stand to the right, those whose name begins with `<` to the left."""
    table = Table(title=None if title is None else escape(title), title_justify="left")
    for name in columns:
        left = name.startswith("<")
        table.add_column(escape(name.removeprefix("<")), justify="left" if left else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def print_errors(rows: Sequence[Mapping[str, Any]]) -> None:
    """Open-loop errors, one row per part of the state and number of steps."""
    numbers = ("model", "p95", "linear", "no_motion")
    show(
        ("<part", "steps", "model", "95 %", "linear", "no motion", "<metric"),
        (
            (str(r["part"]), str(r["k"]), *(number(r[n]) for n in numbers), str(r["metric"]))
            for r in rows
        ),
        "open-loop error on held-out episodes",
    )


def number(value: Any) -> str:
    """Three significant digits; a dash for nothing."""
    return "-" if value is None else f"{value:.3g}"
