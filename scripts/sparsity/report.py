"""Report of the sparsity scoreboard: table of means and intervals, figure, who is lowest where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from scripts import study
from scripts.sparsity.tasks import TASKS
from scripts.study import Row
from sparsectl.files import csv_text, write_atomic
from sparsectl.report.statistics import Interval, bootstrap, mean

LINES = ("dense", "dense_long")
"""Drawn as levels: they have one number of ReLUs."""
ABLATIONS = ("progressive_path", "progressive_dense", "scratch_three_lanes")
"""Parts of our method, not compared with it for the lowest error."""
STYLES = {
    "progressive": ("#000000", "o", "-"),
    "one_shot": ("#7f7f7f", "s", "-"),
    "snl": ("#9467bd", "D", "-"),
    "frequency": ("#d62728", "v", "-"),
    "magnitude": ("#ff7f0e", "^", "-"),
    "scratch_two_skip": ("#1f77b4", "o", "-"),
    "scratch_two": ("#1f77b4", "o", ":"),
    "scratch_one_skip": ("#2ca02c", "s", "-"),
    "scratch_one": ("#2ca02c", "s", ":"),
    "progressive_path": ("#000000", "o", ":"),
    "progressive_dense": ("#000000", "s", ":"),
    "scratch_three_lanes": ("#8c564b", "X", "-"),
}
Cells = dict[tuple[str, str, int], list[float]]
"""Errors over seeds by task, method, count."""


def write(rows: list[Row], base: Path, figure: str = "error_10") -> None:
    """Write `<base>.csv`, `.md` and `.png`."""
    shown = {r["task"] for r in rows if r["method"] not in LINES}
    rows = [r for r in rows if r["task"] in shown]
    keys = [f"error_{k}" for k in (1, 5, 10)] + ["normalised_10"]
    tables = {key: cells(rows, key) for key in keys}
    write_atomic(base.with_suffix(".csv"), csv_text(_lines(tables, rows)))
    study.page(base.with_suffix(".md"), *_parts(tables[figure], rows))
    plot(tables[figure], base.with_suffix(".png"))


def cells(rows: list[Row], key: str) -> Cells:
    """Values by task, method and count, one for each seed."""
    groups = study.groups(sorted(rows, key=lambda r: r["seed"]), "task", "method", "count")
    return {cell: [r[key] for r in mine] for cell, mine in groups.items()}


def interval(values: list[float]) -> Interval:
    """Mean with its 95 % bootstrap interval over seeds."""
    return bootstrap([values], mean, resamples=2000)


def _lines(tables: dict[str, Cells], rows: list[Row]) -> list[Row]:
    """Of the CSV file."""
    cpu, steps, lines = cells(rows, "cpu_seconds"), cells(rows, "steps"), []
    for cell in sorted(cpu, key=lambda c: (c[0], c[1], -c[2])):
        line: Row = dict(zip(("task", "method", "relus"), cell, strict=True))
        line |= {"seeds": len(cpu[cell]), "steps": int(steps[cell][0])}
        line["cpu_seconds"] = f"{sum(cpu[cell]) / len(cpu[cell]):.1f}"
        for key, table in tables.items():
            i = interval(table[cell])
            told = {key: i.value, f"{key}_low": i.low, f"{key}_high": i.high}
            line |= {name: f"{v:.4g}" for name, v in told.items()}
        lines.append(line)
    return lines


def _parts(table: Cells, rows: list[Row]) -> list[str | list[str]]:
    """Of the page."""
    seeds = sorted({r["seed"] for r in rows})
    parts: list[str | list[str]] = [
        "# Error against number of ReLUs",
        f"Error after 10 open-loop steps on test episodes, mean over {len(seeds)} seed(s) of "
        "training [95 % bootstrap interval]. Every entry of a row had the same data, optimiser, "
        "learning rate and number of gradient steps in all (`progressive_path` some fewer), the "
        "dense model's included where a method starts from one; a step's cost differs (CPU seconds "
        "in the rows). Only the rate was tuned, on dense and small networks too; gates, SNL and "
        "pruning have their published or default settings. **Bold**: the lowest of the methods; it "
        "is *clear* if its interval overlaps with no other method's (a method with one seed has a "
        f"value only, without brackets). The last columns are ablations ({', '.join(ABLATIONS)}), "
        "named where one is lower still. An interval over three seeds is hardly more than their "
        "range. Again: `python -m scripts.sparsity.study`.",
    ]
    for task in _tasks(table):
        methods = [m for m in STYLES if any(c[:2] == (task, m) for c in table)]
        counts = sorted({c[2] for c in table if c[0] == task and c[1] in methods}, reverse=True)
        lines = [_line(table, task, methods, count) for count in counts]
        level = [(m, c[2], interval(v)) for m in LINES for c, v in table.items()
                 if c[:2] == (task, m)]  # fmt: skip
        dense = (f"{m}: {n} ReLUs, {i.value:.3g} [{i.low:.3g}, {i.high:.3g}]" for m, n, i in level)
        parts += [f"## {task} [{TASKS[task].unit}]", *(["; ".join(dense)] if level else []),
                  study.table(["ReLUs", *methods, "lowest"], lines)]  # fmt: skip
    return [*parts, "## Lowest", *_summary(table)]


def _line(table: Cells, task: str, methods: list[str], count: int) -> list[Any]:
    found = {m: interval(table[task, m, count]) for m in methods if (task, m, count) in table}
    best, clear = lowest({m: i for m, i in found.items() if m not in ABLATIONS})
    lower = [m for m in ABLATIONS if m in found and found[m].value < found[best].value]
    entries = []
    for m in methods:
        i, text = found.get(m), ""
        if i is not None:
            text = f"**{i.value:.3g}**" if m == best else f"{i.value:.3g}"
            text += f" [{i.low:.3g}, {i.high:.3g}]" if i.count > 1 else ""
        entries.append(text)
    verdict = f"{best}{', clear' if clear else ''}"
    verdict += f" (ablation: {', '.join(lower)})" if lower else ""
    return [count, *entries, verdict if len(found) > 1 else "no rival was run"]


def lowest(found: dict[str, Interval]) -> tuple[str, bool]:
    """The method of lowest mean, and whether its interval overlaps with no other one.

    A single seed has no interval: such a method is not clearly anything, but for the lowest, that
    its value is above the interval.
    """
    best = min(found, key=lambda m: found[m].value)
    others = [i for m, i in found.items() if m != best]
    apart = all(found[best].high < i.low for i in others)
    return best, bool(others) and found[best].count > 1 and apart


def _summary(table: Cells) -> list[str | list[str]]:
    """How often each method is the lowest, and clearly so."""
    wins: dict[str, list[int]] = {}
    cases: dict[tuple[str, int], dict[str, Interval]] = {}
    for (task, method, count), values in sorted(table.items()):
        if method in STYLES and method not in ABLATIONS:
            cases.setdefault((task, count), {})[method] = interval(values)
    compared = [found for found in cases.values() if len(found) > 1]
    for found in compared:
        best, clear = lowest(found)
        won = wins.setdefault(best, [0, 0])
        won[0] += 1
        won[1] += clear
    order = sorted(wins.items(), key=lambda w: -w[1][0])
    return [
        f"Of {len(compared)} pairs of task and number of ReLUs where methods compete:",
        study.table(["method", "lowest", "clearly"], [[m, *won] for m, won in order]),
    ]


def _tasks(table: Cells) -> list[str]:
    present = {c[0] for c in table}
    return [t for t in TASKS if t in present]


def plot(table: Cells, path: Path) -> None:
    """One panel a task, lines with intervals over seeds, both axes logarithmic."""
    tasks = _tasks(table)
    columns = 2 if len(tasks) == 4 else min(3, len(tasks))
    lines = -(-len(tasks) // columns)
    size = (4.6 * columns + 2.4, 3.9 * lines)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    handles: dict[str, Any] = {}
    for axes, task in zip(grid.flat, tasks, strict=False):
        _panel(axes, table, task, handles)
    for axes in grid.flat[len(tasks) :]:
        axes.axis("off")
    names = [m for m in (*STYLES, *LINES) if m in handles]
    labels = [m.replace("_", " ") for m in names]
    figure.legend([handles[m] for m in names], labels, loc="outside right center", frameon=False)
    figure.supxlabel("ReLUs")
    study.figure(path, figure)


def _panel(axes: Any, table: Cells, task: str, handles: dict[str, Any]) -> None:
    counts = sorted({c[2] for c in table if c[0] == task and c[1] in STYLES})
    for method, (colour, marker, line) in STYLES.items():
        points = [
            (c[2], interval(v))
            for c, v in sorted(table.items(), key=lambda e: e[0][2])
            if c[:2] == (task, method)
        ]
        if not points:
            continue
        x = [n for n, _ in points]
        front = 3 if method.startswith("progressive") else 2
        (handles[method],) = axes.plot(
            x, [i.value for _, i in points], color=colour, marker=marker, linestyle=line,
            markersize=4.5, linewidth=2.4 if front == 3 else 1.3, zorder=front,
        )  # fmt: skip
        low, high = [i.low for _, i in points], [i.high for _, i in points]
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    for method, line in zip(LINES, ("--", "-."), strict=True):
        for cell, values in table.items():
            if cell[:2] == (task, method):
                level = interval(values).value
                handles[method] = axes.axhline(level, color="0.4", linestyle=line, linewidth=1)
    axes.set(xscale="log", yscale="log", title=task)
    axes.set_ylabel(f"10-step error [{TASKS[task].unit.split(',')[0]}]")
    axes.set_xticks(counts, [str(n) for n in counts])
    axes.set_xticks([], minor=True)
    low, high = axes.get_ylim()  # numbers such as 3 or 0.02 in place of powers of ten
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3) if high / low > 50 else (1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda v, _: ""))
    axes.grid(alpha=0.3, which="both")
