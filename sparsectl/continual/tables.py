"""The headline table of continual learners: columns, terminal, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from sparsectl.continual.results import Line
from sparsectl.files import csv_text
from sparsectl.report import text
from sparsectl.report.statistics import Interval


@dataclass(frozen=True)
class Column:
    """A column: title, cell (its second line is the interval), and what it means."""

    title: str
    cell: Callable[[Line], str]
    meaning: str = ""


NAMES = ("learner", "protocol", "mode")
"""Columns of words."""


def columns(lines: Sequence[Line]) -> list[Column]:
    """All columns that these lines fill."""
    return [*scores(lines), *belief(lines), *cost(lines)]


def named(lines: Sequence[Line]) -> list[Column]:
    """What a line is about."""
    chosen = [
        Column("learner", lambda r: r["label"]),
        Column("protocol", lambda r: r["protocol"]),
    ]
    if len({(r["label"], r["protocol"]) for r in lines}) < len(lines):
        chosen.append(Column("mode", lambda r: r["mode"], "way of predicting"))
    return [*chosen, Column("seeds", lambda r: str(r["seeds"]))]


def scores(lines: Sequence[Line]) -> list[Column]:
    """What is learnt and forgotten, after the names."""
    classes = lines[0]["kind"] == "classification"
    score = "accuracy" if classes else "normalised error (1: predicting the mean)"
    chosen = [
        *named(lines),
        _measure("final", "final", f"{score} after the whole stream, mean over tasks"),
        _measure("worst", "worst", "the same on the task where it is worst"),
        _measure("at training", "at_training", f"{score} on a task just after it was learnt"),
        _measure(
            "forgetting", "forgetting", "best score before the end minus final; above 0: loss"
        ),
        _measure("BWT", "bwt", "final minus at training; below 0: loss"),
        _measure("FWT", "fwt", "before learning a task, against the untrained network"),
    ]
    for count in (5, 20):
        if any(f"last_{count}" in r for r in lines):
            chosen.append(
                _measure(f"last {count}", f"last_{count}", f"final, of the last {count} tasks")
            )
    if any("of_joint" in r for r in lines):
        told = "final over that of the same learner with all tasks at once"
        chosen.append(_measure("of joint", "of_joint", told))
    return chosen


def belief(lines: Sequence[Line]) -> list[Column]:
    """Calibration, without names."""
    chosen = []
    for title, key, meaning in (
        ("NLL", "nll", "negative log likelihood of a test example"),
        ("ECE", "ece", "confidence against accuracy"),
        ("AUROC", "auroc", "of the weights' uncertainty, wrong against right predictions"),
        ("within 80 %", "cover_80", "share of targets within the central 80 % intervals"),
        ("rank", "rank", "correlation of the weights' uncertainty with the error"),
    ):
        if any(key in r and r[key].count for r in lines):
            chosen.append(_measure(title, key, meaning))
    return chosen


def cost(lines: Sequence[Line]) -> list[Column]:
    """Of the deployed network and of learning, without names."""
    chosen = [
        Column("bits", lambda r: f"{r['bits']:g}", "of one deployed weight"),
        Column("bytes", lambda r: f"{r['bytes']:,.0f}", "of the deployed network"),
        Column(
            "ACE", lambda r: text.number(r["ace"]), "bit operations of one prediction (PokeBNN)"
        ),
        Column(
            "products", lambda r: f"{r['multiplications']:,.0f}", "multiplications that are left"
        ),
        _measure("CPU [s]", "train_seconds", "of learning"),
    ]
    if any(r["not_finite"].value > 0 for r in lines):
        chosen.append(_measure("skipped", "not_finite", "batches and steps that were not finite"))
    return chosen


def _measure(title: str, key: str, meaning: str) -> Column:
    return Column(title, lambda r: interval(r.get(key)), meaning)


def interval(told: Interval | None) -> str:
    """Value and, on a second line, its interval."""
    if told is None or told.count == 0:
        return text.DASH
    value = _number(told.value)
    return value if told.count < 2 else f"{value}\n{_span(told)}"


def _span(told: Interval) -> str:
    return f"{_number(told.low)} to {_number(told.high)}"


def _number(value: float) -> str:
    """Differences that are only rounding are 0."""
    return text.number(0.0 if abs(value) < 1e-12 else value)


def terminal(lines: Sequence[Line]) -> Table:
    """For `rich`: scores and cost without intervals, so that a terminal is wide enough."""
    chosen = [*scores(lines), *cost(lines)]
    table = Table(box=box.SIMPLE_HEAVY, pad_edge=False, padding=(0, 1, 0, 0))
    for column in chosen:
        left = column.title in NAMES
        table.add_column(column.title, justify="left" if left else "right")
    for line in lines:
        table.add_row(*(escape(c.cell(line).split("\n")[0]) for c in chosen))
    return table


def markdown(lines: Sequence[Line]) -> str:
    """With intervals in brackets."""
    chosen = columns(lines)
    rows = [[c.title for c in chosen], ["---"] * 2 + ["---:"] * (len(chosen) - 2)]
    for line in lines:
        parts = [c.cell(line).split("\n") for c in chosen]
        rows.append([p[0] + (f" ({p[1]})" if p[1:] else "") for p in parts])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def csv(lines: Sequence[Line]) -> str:
    """All columns; intervals as three each."""
    flat = []
    for line in lines:
        row: dict[str, Any] = {}
        for key, value in line.items():
            if isinstance(value, Interval):
                known = value.count > 0
                row[key] = value.value if known else None
                row |= {f"{key}_{k}": getattr(value, k) if known else None for k in ("low", "high")}
            else:
                row[key] = value
        flat.append(row)
    return csv_text(flat)
