"""The headline table: columns, terminal and CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.files import csv_text, write_atomic
from sparsectl.report import text

Line = Mapping[str, Any]
_PLAIN: dict[str, Any] = {"box": box.SIMPLE_HEAVY, "pad_edge": False, "padding": (0, 1, 0, 0)}


@dataclass(frozen=True)
class Column:
    """A column: title, cell (its second line is the interval), and what it means."""

    title: str
    cell: Callable[[Line], str]
    meaning: str
    wide: bool = False
    """Left out of the terminal's table."""


def columns(results: Results, lines: Sequence[Line]) -> list[Column]:
    """The columns that say something about these results."""
    label = results.settings["evaluate"]["error_label"]
    budget = results.settings["evaluate"]["budget"]
    many_models = len(results.models) > 1
    judged = any(line["success"] is not None for line in lines)
    ended = len({line["steps"] for line in lines}) > 1 or not judged
    bounded = any(line["mean_gap"] is not None for line in lines)
    constrained = any(results.settings["task"].get("constraints", {}).values())
    chosen = [
        (many_models, Column("model", lambda s: s["model"], "")),
        (True, Column("controller", lambda s: s["controller"], "")),
        (judged, Column("success", _success, "episodes that end in success, 95 % interval")),
        (True, Column(label, _interval("final_error"), "interquartile mean, 95 % interval")),
        (ended, Column("steps", lambda s: text.number(s["steps"], 4), "mean episode length")),
        (not judged, Column("return", _interval("return"), "interquartile mean, 95 % interval")),
        (True, Column("cost", lambda s: text.number(s["mean_cost"]), "mean planned cost")),
        *((True, _percentile(p)) for p in (50, 95, 99)),
        (
            budget is not None,
            Column(
                "late",
                lambda s: str(s["deadline_misses"]),
                f"decisions that took longer than {1000 * (budget or 0):g} ms",
            ),
        ),
        (
            budget is not None,
            Column("fallb.", lambda s: str(s["fallbacks"]), "decisions in which a fallback acted"),
        ),
        (
            bounded,
            Column(
                "gap",
                lambda s: text.percent(s["mean_gap"]),
                "mean relative gap between the plan's cost and the proven bound",
            ),
        ),
        (
            bounded,
            Column("proved", lambda s: text.percent(s["proved"]), "decisions proved within 1 %"),
        ),
        (
            constrained,
            Column(
                "violated",
                _violated,
                "worst violation of a constraint in the states visited, and share of the steps "
                "with one",
            ),
        ),
        (
            constrained,
            Column(
                "planned",
                lambda s: text.number(s["worst_violation"]),
                "worst violation in a plan, summed over its steps and constraints",
            ),
        ),
    ]
    return [column for shown, column in chosen if shown]


def show(results: Results, console: Console | None = None) -> None:
    """Print the table to a terminal."""
    lines = summarise(results)
    shown = [c for c in columns(results, lines) if not c.wide]
    table = Table(title=escape(results.settings["title"]), title_justify="left", **_PLAIN)
    for column in shown:
        left = column.title in ("model", "controller")
        title = column.title.replace(" [", "\n[").replace(" (", "\n(")
        table.add_column(escape(title), justify="left" if left else "right", no_wrap=True)
    for line in lines:
        style = "bold" if line["controller"] == results.settings["reference"] else None
        table.add_row(*(escape(column.cell(line)) for column in shown), style=style)
    console = console or Console()
    console.print(table)
    for note in notes(results, lines):
        console.print(note, style="dim", markup=False)


def notes(results: Results, lines: Sequence[Line]) -> list[str]:
    """What a reader must know besides the table."""
    settings, found = results.settings, []
    total = settings["episodes"] * len(results.models) * len(results.controllers)
    if len(results.rows) < total:
        found.append(f"{len(results.rows)} of {total} episodes: the comparison is not complete.")
    if settings.get("unpaired"):
        found.append(settings["unpaired"])
    failed = [r for r in results.rows if r["outcome"] in ("error", "diverged", "bad_action")]
    if failed:
        first = failed[0]
        found.append(
            f"{len(failed)} episodes failed and count as such, e.g. {first['controller']} "
            f"episode {first['episode']}: {first['outcome']}: {first.get('message')}."
        )
    for line in lines:
        if line["fallbacks"]:
            why = text.reasons(line["fallback_reasons"])
            found.append(f"{line['controller']}: a fallback acted for: {why}.")
        if line["softened"]:
            why = text.reasons(line["softened_reasons"])
            found.append(
                f"{line['controller']}: {line['softened']} of {line['decisions']} decisions were "
                "softened: no plan was found that keeps the hard constraints, so the one that "
                f"acted pays for violating them, most: {why}."
            )
        if line["violated"]:
            why = text.reasons(line["violated"])
            found.append(f"{line['controller']}: steps that violated a constraint, by it: {why}.")
    cold = [line["cold_seconds"] for line in lines if line["cold_seconds"] is not None]
    if cold:
        found.append(
            f"The first decision of a process took up to {max(cold):.2f} s and is not in the times."
        )
    loads = [line["load"] for line in lines if line["load"] is not None]
    if loads and max(loads) > 1.2:
        found.append(
            f"The machine was overloaded (load {max(loads):.1f} per core): decision times and "
            "anytime results suffer; use fewer workers."
        )
    return found


def write_csv(results: Results) -> tuple[Path, Path]:
    """Write summary.csv, and episodes.csv with the scalar columns of every episode."""
    lines = [_flat(line) for line in summarise(results)]
    episodes = [_flat(row) for row in results.rows]
    return (
        write_atomic(results.folder / "summary.csv", csv_text(lines)),
        write_atomic(results.folder / "episodes.csv", csv_text(episodes)),
    )


def _flat(row: Line) -> dict[str, Any]:
    """Scalars; counts by reason as text, lists left out."""
    skipped = ("dump", "trace", "visited")
    return {
        k: text.reasons(v) if isinstance(v, dict) else v
        for k, v in row.items()
        if not isinstance(v, list) and k not in skipped
    }


def _percentile(p: int) -> Column:
    meaning = "decision time, median (p95, p99: percentiles)" if p == 50 else ""
    return Column(
        f"p{p} [ms]", lambda s: text.milliseconds(s[f"seconds_p{p}"]), meaning, wide=p == 95
    )


def _success(line: Line) -> str:
    if line["success"] is None:
        return text.DASH
    low, high = 100 * line["success_low"], 100 * line["success_high"]
    return f"{line['successes']}/{line['episodes']}\n{low:.0f}–{high:.0f} %"


def _violated(line: Line) -> str:
    if line["worst_real_violation"] is None:
        return text.DASH
    return f"{text.number(line['worst_real_violation'])}\n{text.percent(line['steps_violated'])}"


def _interval(name: str) -> Callable[[Line], str]:
    def cell(line: Line) -> str:
        low, high = line[f"{name}_low"], line[f"{name}_high"]
        if low is None or high is None:
            return text.number(line[name])
        return f"{text.number(line[name])}\n{text.number(low)}–{text.number(high)}"

    return cell
