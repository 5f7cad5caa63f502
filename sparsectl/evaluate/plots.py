"""Figures of a comparison. Everything is drawn from saved rows, so it can be drawn again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sparsectl.evaluate.panels import deadline, error_label, panels, time_axis
from sparsectl.evaluate.planned import GIVEN, above, best_costs, state_of
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.report import statistics
from sparsectl.report.style import INK, looks


def error_over_time(results: Results) -> Figure | None:
    """Task error against steps: interquartile mean and the middle half of the episodes."""
    scale = float(results.settings["evaluate"]["error_scale"])

    def draw(axes: Axes, model: str) -> None:
        for name, look in looks(results.settings["kinds"]).items():
            found = [_carried(r["errors"]) for r in results.of(model, name) if r.get("errors")]
            traces = [t for t in found if t is not None]
            if not traces:
                continue
            length = max(map(len, traces))
            table = scale * np.array([np.pad(t, (0, length - len(t)), "edge") for t in traces])
            low, high = np.percentile(table, [25, 75], axis=0)
            steps = np.arange(length)
            axes.fill_between(steps, low, high, color=look.light, alpha=0.14, linewidth=0)
            line = statistics.iqm(table.T)
            axes.plot(steps, line, color=look.light, linestyle=look.dash, label=name, linewidth=1.8)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("step")
        axes.set_ylabel(error_label(results))

    return panels(results, draw, legend=True)


def error_against_time(results: Results) -> Figure | None:
    """Final error against decision time: median with a whisker to the 99th percentile."""
    lines = summarise(results)

    def draw(axes: Axes, model: str) -> None:
        for line in (s for s in lines if s["model"] == model):
            look = looks(results.settings["kinds"])[line["controller"]]
            if line["final_error"] is None or line["seconds_p50"] is None:
                continue
            x, y = 1000 * line["seconds_p50"], line["final_error"]
            right = 1000 * line["seconds_p99"] - x
            down, up = y - line["final_error_low"], line["final_error_high"] - y
            axes.errorbar(
                x,
                y,
                xerr=[[0], [max(right, 0)]],
                yerr=[[max(down, 0)], [max(up, 0)]],
                color=look.light,
                marker=look.marker,
                markersize=7,
                linewidth=1.2,
                label=line["controller"],
            )
        deadline(axes, results)
        time_axis(axes, [s["seconds_p50"] for s in lines if s["seconds_p50"]])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("decision time [ms], median to 99th percentile")
        axes.set_ylabel(error_label(results))

    return panels(results, draw, legend=True)


def decision_times(results: Results) -> Figure | None:
    """Decision times: middle half (thick), 5th to 99th percentile (thin), median, maximum."""

    def draw(axes: Axes, model: str) -> None:
        names = [n for n in results.controllers if any(_seconds(results, model, n))]
        for row, name in enumerate(names):
            times = 1000 * np.array(_seconds(results, model, name))
            p5, p25, p50, p75, p99 = np.percentile(times, [5, 25, 50, 75, 99])
            look = looks(results.settings["kinds"])[name]
            axes.plot([p5, p99], [row, row], color=look.light, linewidth=1.4)
            axes.plot([p25, p75], [row, row], color=look.light, linewidth=7, solid_capstyle="butt")
            axes.plot(p50, row, marker="|", color=INK, markersize=13, markeredgewidth=1.6)
            axes.plot(times.max(), row, marker="x", color=look.light, markersize=5)
        deadline(axes, results)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        time_axis(axes, [float(np.median(_seconds(results, model, n))) for n in names])
        axes.set_xlabel("decision time [ms]")

    return panels(results, draw)


def gap_over_time(results: Results) -> Figure | None:
    """Proven relative gap against steps: median and the middle half; None without any bound."""
    if not any(g is not None for r in results.rows for g in r.get("gaps") or []):
        return None

    def draw(axes: Axes, model: str) -> None:
        for name, look in looks(results.settings["kinds"]).items():
            gaps = [r["gaps"] for r in results.of(model, name) if r.get("gaps")]
            length = max(map(len, gaps), default=0)
            columns = [
                [g[t] for g in gaps if t < len(g) and g[t] is not None] for t in range(length)
            ]
            steps = [t for t, c in enumerate(columns) if c]
            if not steps:
                continue
            quartiles = 100 * np.array([np.percentile(columns[t], [25, 50, 75]) for t in steps])
            axes.fill_between(
                steps, quartiles[:, 0], quartiles[:, 2], color=look.light, alpha=0.16, linewidth=0
            )
            axes.plot(steps, quartiles[:, 1], color=look.light, linestyle=look.dash, label=name)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("step")
        axes.set_ylabel("proven gap [%]")

    return panels(results, draw, legend=True)


def gap_shares(results: Results) -> Figure | None:
    """Share of decisions by proven gap; None without any bound."""
    if not any(g is not None for r in results.rows for g in r.get("gaps") or []):
        return None
    edges = np.nextafter([1e-4, 1e-3, 1e-2, 0.1, 0.5, np.inf], np.inf)
    labels = ["≤ 0.01 %", "≤ 0.1 %", "≤ 1 %", "≤ 10 %", "≤ 50 %", "> 50 %", "none"]

    def draw(axes: Axes, model: str) -> None:
        shown = []
        for name in results.controllers:
            gaps = [g for r in results.of(model, name) for g in r.get("gaps") or []]
            if any(g is not None for g in gaps):
                shown.append((name, gaps))
        for i, (name, gaps) in enumerate(shown):
            known = [g for g in gaps if g is not None]
            counts = list(np.histogram(known, [-1.0, *edges])[0])
            counts.append(len(gaps) - len(known))
            width = 0.8 / len(shown)
            x = np.arange(len(labels)) - 0.4 + width * (i + 0.5)
            look = looks(results.settings["kinds"])[name]
            share = 100 * np.array(counts) / len(gaps)
            axes.bar(x, share, width * 0.92, color=look.light, label=name)
        axes.set_xticks(range(len(labels)), labels, rotation=25, ha="right")
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("proven gap")
        axes.set_ylabel("decisions [%]")

    return panels(results, draw, legend=True)


def planned_costs(results: Results) -> Figure | None:
    """Planned cost over the reference's best at the same states; None without planned states."""
    if not results.planned:
        return None
    reference = results.settings["reference"]
    given = f"{reference} ({GIVEN})"

    def draw(axes: Axes, model: str) -> None:
        rows = [r for r in results.planned if r["model"] == model and r["cost"] is not None]
        best = best_costs(rows)
        names = [n for n in results.controllers if any(r["controller"] == n for r in rows)]
        for row, name in enumerate(names):
            found = [
                100 * above(r["cost"], best[state_of(r)])
                for r in rows
                if r["controller"] == name and state_of(r) in best
            ]
            extra = [e for e in found if np.isfinite(e)]
            look = looks(results.settings["kinds"])[name]
            spread = (
                np.linspace(-0.22, 0.22, len(extra)) if len(extra) > 1 else np.zeros(len(extra))
            )
            axes.scatter(extra, row + spread, s=16, color=look.light, alpha=0.75)
            if extra:
                axes.plot(np.median(extra), row, marker="|", color=INK, markersize=16, mew=1.6)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xscale("symlog", linthresh=1.0)
        left, right = axes.get_xlim()
        axes.set_xlim(left if _negative(axes) else -0.15, max(right, 1.5))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(f"planned cost above {given if _has(rows, given) else reference} [%]")

    return panels(results, draw)


FIGURES: dict[str, Callable[[Results], Figure | None]] = {
    "error_over_time": error_over_time,
    "error_against_time": error_against_time,
    "decision_times": decision_times,
    "planned_costs": planned_costs,
    "gap_over_time": gap_over_time,
    "gap_shares": gap_shares,
}


def _negative(axes: Axes) -> bool:
    """Whether any point lies left of zero."""
    points = [np.asarray(c.get_offsets(), dtype=float) for c in axes.collections]
    return any(len(p) > 0 and float(p[:, 0].min()) < -0.1 for p in points)


def _seconds(results: Results, model: str, name: str) -> list[float]:
    return [s for r in results.of(model, name) for s in r.get("seconds") or []]


def _carried(errors: list[float | None]) -> np.ndarray | None:
    """A trace whose unknown values repeat the last known one; None if the first is unknown."""
    if not errors or errors[0] is None:
        return None
    filled: list[float] = []
    for error in errors:
        filled.append(filled[-1] if error is None else error)
    return np.array(filled)


def _has(rows: list[dict[str, Any]], name: str) -> bool:
    return any(r["controller"] == name for r in rows)
