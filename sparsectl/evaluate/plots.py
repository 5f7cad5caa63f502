"""Figures of a comparison. Everything is drawn from saved rows, so it can be drawn again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsectl.evaluate.courses import courses
from sparsectl.evaluate.learnt import error_against_steps
from sparsectl.evaluate.panels import deadline, error_label, looks_of, panels, time_axis, unit_of
from sparsectl.evaluate.planned import GIVEN, above, best_costs, state_of
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.report import statistics
from sparsectl.report.figure import (
    band,
    draw_rows,
    from_zero,
    logarithmic,
    mark,
)
from sparsectl.report.style import INK


def error_over_time(results: Results) -> Figure | None:
    """Task error against time: interquartile mean and the middle half of the episodes."""
    scale = float(results.settings["evaluate"]["error_scale"])

    def draw(axes: Axes, model: str) -> bool:
        shown = []
        for name, look in looks_of(results).items():
            found = [_carried(r["errors"]) for r in results.of(model, name) if r.get("errors")]
            traces = [t for t in found if t is not None]
            if not traces:
                continue
            length = max(map(len, traces))
            table = scale * np.array([np.pad(t, (0, length - len(t)), "edge") for t in traces])
            low, high = np.percentile(table, [25, 75], axis=0)
            times = unit_of(results) * np.arange(length)
            band(axes, times, low, statistics.iqm(table.T), high, look, name, linewidth=1.8)
            shown.extend(low)
        from_zero(axes, shown)
        time_axis(axes, results)
        axes.set_ylabel(error_label(results))
        return bool(shown)

    return panels(results, draw, legend=True)


def error_against_time(results: Results) -> Figure | None:
    """Final error against decision time: median with a whisker to the 99th percentile."""
    lines = [
        s
        for s in summarise(results)
        if s["final_error"] is not None and s["seconds_p50"] is not None
    ]

    def draw(axes: Axes, model: str) -> bool:
        chosen = [s for s in lines if s["model"] == model]
        for line in chosen:
            look = looks_of(results)[line["controller"]]
            x, y = 1000 * line["seconds_p50"], line["final_error"]
            down, up = y - line["final_error_low"], line["final_error_high"] - y
            late = max(1000 * line["seconds_p99"] - x, 0)
            wide, high = [[0], [late]], [[max(down, 0)], [max(up, 0)]]
            mark(axes, x, y, look, line["controller"], xerr=wide, yerr=high)
        deadline(axes, results)
        logarithmic(axes, [s["seconds_p50"] for s in lines])
        from_zero(axes, [s["final_error_low"] for s in chosen])
        axes.set_xlabel("decision time [ms], median to 99th percentile")
        axes.set_ylabel(error_label(results))
        return bool(chosen)

    return panels(results, draw, legend=True)


def decision_times(results: Results) -> Figure | None:
    """Decision times: middle half (thick), 5th to 99th percentile (thin), median, maximum."""

    def draw(axes: Axes, model: str) -> bool:
        times = {n: 1000 * np.array(_seconds(results, model, n)) for n in results.controllers}
        times = {n: t for n, t in times.items() if len(t)}
        for row, (name, found) in enumerate(times.items()):
            p5, p25, p50, p75, p99 = np.percentile(found, [5, 25, 50, 75, 99])
            look = looks_of(results)[name]
            axes.plot([p5, p99], [row, row], color=look.light, linewidth=1.4)
            axes.plot([p25, p75], [row, row], color=look.light, linewidth=7, solid_capstyle="butt")
            axes.plot(p50, row, marker="|", color=INK, markersize=13, markeredgewidth=1.6)
            axes.plot(found.max(), row, marker="x", color=look.light, markersize=5)
        deadline(axes, results)
        draw_rows(axes, list(times))
        logarithmic(axes, [float(np.median(t)) for t in times.values()])
        axes.set_xlabel("decision time [ms]")
        return bool(times)

    return panels(results, draw)


def gap_over_time(results: Results) -> Figure | None:
    """Proven relative gap against time: median and the middle half; None without any bound."""

    def draw(axes: Axes, model: str) -> bool:
        drawn = False
        for name, look in looks_of(results).items():
            gaps = [r["gaps"] for r in results.of(model, name) if r.get("gaps")]
            length = max(map(len, gaps), default=0)
            columns = [
                [g[t] for g in gaps if t < len(g) and g[t] is not None] for t in range(length)
            ]
            steps = [t for t, c in enumerate(columns) if c]
            if not steps:
                continue
            low, middle, high = (
                100 * np.array([np.percentile(columns[t], [25, 50, 75]) for t in steps]).T
            )
            band(axes, unit_of(results) * np.array(steps), low, middle, high, look, name)
            drawn = True
        axes.set_ylim(bottom=0)
        time_axis(axes, results)
        axes.set_ylabel("proven gap [%]")
        return drawn

    return panels(results, draw, legend=True)


def gap_shares(results: Results) -> Figure | None:
    """Share of decisions by proven gap; None without any bound."""
    edges = np.nextafter([1e-4, 1e-3, 1e-2, 0.1, 0.5, np.inf], np.inf)
    labels = ["≤ 0.01 %", "≤ 0.1 %", "≤ 1 %", "≤ 10 %", "≤ 50 %", "> 50 %", "none"]

    def draw(axes: Axes, model: str) -> bool:
        found = {
            name: [g for r in results.of(model, name) for g in r.get("gaps") or []]
            for name in results.controllers
        }
        shown = {n: g for n, g in found.items() if any(v is not None for v in g)}
        for i, (name, gaps) in enumerate(shown.items()):
            known = [g for g in gaps if g is not None]
            counts = [*np.histogram(known, [-1.0, *edges])[0], len(gaps) - len(known)]
            width = 0.8 / len(shown)
            x = np.arange(len(labels)) - 0.4 + width * (i + 0.5)
            share = 100 * np.array(counts) / len(gaps)
            axes.bar(x, share, width * 0.92, color=looks_of(results)[name].light, label=name)
        axes.set_xticks(range(len(labels)), labels, rotation=25, ha="right")
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("proven gap")
        axes.set_ylabel("decisions [%]")
        return bool(shown)

    return panels(results, draw, legend=True)


def planned_costs(results: Results) -> Figure | None:
    """Planned cost over the reference's best at the same states; None without planned states."""
    reference = results.settings["reference"]
    given = f"{reference} ({GIVEN})"

    def draw(axes: Axes, model: str) -> bool:
        rows = [r for r in results.planned if r["model"] == model and r["cost"] is not None]
        best = best_costs(rows)
        extra = {
            name: [
                100 * above(r["cost"], best[state_of(r)])
                for r in rows
                if r["controller"] == name and state_of(r) in best
            ]
            for name in results.controllers
            if any(r["controller"] == name for r in rows)
        }
        points: list[float] = []
        for row, (name, values) in enumerate(extra.items()):
            found = np.array([v for v in values if np.isfinite(v)])
            points.extend(found)
            spread = np.linspace(-0.22, 0.22, len(found)) if len(found) > 1 else 0 * found
            look = looks_of(results)[name]
            axes.scatter(found, row + spread, s=16, color=look.light, alpha=0.75)
            if len(found):
                axes.plot(np.median(found), row, marker="|", color=INK, markersize=16, mew=1.6)
        axes.axvline(0, color=INK, linewidth=1)
        draw_rows(axes, list(extra))
        axes.set_xscale("symlog", linthresh=1.0)
        left, right = axes.get_xlim()
        axes.set_xlim(left if min(points, default=0.0) < -0.1 else -0.15, max(right, 1.5))
        axes.xaxis.set_major_formatter("{x:g}")
        told = given if any(r["controller"] == given for r in rows) else reference
        axes.set_xlabel(f"planned cost above {told} [%]")
        return bool(points)

    return panels(results, draw)


FIGURES: dict[str, tuple[Callable[[Results], Figure | None], str]] = {
    "error_over_time": (
        error_over_time,
        "Task error over the episode: interquartile mean, and the middle half of the episodes.",
    ),
    "error_against_time": (
        error_against_time,
        "What a decision costs in time and what it brings: the whiskers are the 95 % interval of "
        "the error and the 99th percentile of the time.",
    ),
    "error_against_steps": (
        error_against_steps,
        "What was reached against the environment steps that were learnt from, all counted: points "
        "are the rows of the table with 95 % intervals, lines are evaluations of a policy during "
        "its training, with the middle half of the episodes.",
    ),
    "decision_times": (
        decision_times,
        "Decision times: median, middle half (thick), 5th to 99th percentile (thin) and maximum "
        "(cross).",
    ),
    "planned_costs": (
        planned_costs,
        "Planned cost at the same states, above the best plan that is known; one dot is one "
        "state, the bar is the median.",
    ),
    "gap_over_time": (
        gap_over_time,
        "How far a plan can be from the best one under the model, as proved: median and middle "
        "half.",
    ),
    "gap_shares": (gap_shares, "Decisions by the gap that was proved within the budget."),
    "courses": (
        courses,
        "Parts of the state, and actions, in the episode of median error (colour) and the worst "
        "one (black); one line is one entry.",
    ),
}
"""What is drawn, and what it shows."""


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
