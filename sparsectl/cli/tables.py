"""Tables on stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from sparsectl.report.screen import console


def print_errors(rows: Sequence[Mapping[str, Any]]) -> None:
    """Open-loop errors, one row per part of the state and number of steps."""
    table = Table(title="open-loop error on held-out episodes", title_justify="left")
    for column in ("part", "steps", "model", "95 %", "linear", "no motion", "metric"):
        table.add_column(column, justify="left" if column in ("part", "metric") else "right")
    for row in rows:
        numbers = (row["model"], row["p95"], row["linear"], row["no_motion"])
        table.add_row(str(row["part"]), str(row["k"]), *map(number, numbers), str(row["metric"]))
    console().print(table)


def number(value: Any) -> str:
    """Three significant digits; a dash for nothing."""
    return "-" if value is None else f"{value:.3g}"
