"""Figures of continual learners, drawn from saved matrices of scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from sparsectl.continual import metrics
from sparsectl.continual.heat_maps import matrices, score_label
from sparsectl.continual.results import UnitResult, grouped, over_seeds
from sparsectl.report.figure import band, canvas, draw_rows, legend, mark, whole_numbers
from sparsectl.report.style import INK, Look

Looks = Mapping[str, Look]
_LONG = 40
"""Tasks beyond which ages are drawn by their logarithm."""
_NAMED = 12
"""Tasks up to which they stand side by side."""


def final_scores(found: Sequence[UnitResult], styles: Looks) -> Figure | None:
    """Mean final score of every learner with its interval, and its upper bounds."""
    groups = grouped(found)
    labels = list(dict.fromkeys(label for label, _ in groups))
    markers = {"sequential": None, "joint": "D", "single": "s"}
    with canvas(6.4, 1.1 + 0.34 * len(labels)) as figure:
        axes = figure.add_subplot()
        shown = set()
        for (label, protocol), units in groups.items():
            told = over_seeds([float(np.mean(metrics.final(u.R()))) for u in units])
            if not told.count:
                continue
            look, y, bound = styles[label], labels.index(label), protocol != "sequential"
            axes.plot([told.low, told.high], [y, y], color=look.light, linewidth=1.6)
            points: list[tuple] = [([told.value], [y], look.light, None)]
            if protocol not in shown:
                points.append(([], [], INK, protocol))
                shown.add(protocol)
            for x, height, colour, name in points:
                axes.plot(
                    x,
                    height,
                    marker=markers[protocol] or "o",
                    color=colour,
                    markerfacecolor="none" if bound else colour,
                    markersize=7,
                    linewidth=0,
                    label=name,
                )
        draw_rows(axes, labels)
        axes.set_xlabel(f"final {score_label(found)}, mean over tasks")
        if len(shown) > 1:
            figure.legend(loc="outside upper right", ncols=len(shown), fontsize=10)
    return figure


def retention(found: Sequence[UnitResult], styles: Looks) -> Figure | None:
    """Final score against the age of a task; in long streams, mean over tasks of similar age."""
    return _curves(
        found, styles, metrics.retention, 0, "tasks learnt since", "final " + score_label(found)
    )


def by_task(found: Sequence[UnitResult], styles: Looks) -> Figure | None:
    """Score on each task just after it was learnt and at the end; None for many tasks."""
    groups = {k: u for (k, protocol), u in grouped(found).items() if protocol == "sequential"}
    names = found[0].tasks
    if not groups or not 2 <= len(names) <= _NAMED:
        return None
    with canvas() as figure:
        axes = figure.add_subplot()
        for i, (label, units) in enumerate(groups.items()):
            look = styles[label]
            x = np.arange(len(names)) + 0.7 * ((i + 0.5) / len(groups) - 0.5)
            first, last = (
                [over_seeds(list(v)).value for v in np.array([f(u.R()) for u in units]).T]
                for f in (metrics.at_training, metrics.final)
            )
            axes.vlines(x, first, last, color=look.light, linewidth=1.6)
            axes.plot(x, last, ls="none", marker=look.marker, ms=6, color=look.light, label=label)
            axes.plot(x, first, ls="none", marker="_", ms=8, mew=1.6, color=look.light)
        axes.set_xticks(range(len(names)), names)
        if max(map(len, names)) > 8:
            axes.tick_params(axis="x", labelrotation=30)
        axes.grid(axis="x", visible=False)
        axes.set_ylim(0, 1 if found[0].kind == "classification" else None)
        axes.set_ylabel(score_label(found))
        legend(figure, axes)
    return figure


def decay(found: Sequence[UnitResult], styles: Looks) -> Figure | None:
    """Score of a task against the tasks learnt since, mean over tasks; None with gaps.

    Of classification only: tasks of dynamics are not equally hard, and there are more old ones of
    the first than of the last.
    """
    full = [u for u in found if u.protocol == "sequential" and not _gaps(u.R())]
    if not full or full[0].kind == "regression" or len(full[0].tasks) < 3:
        return None
    return _curves(full, styles, metrics.decay, 0, "tasks learnt since", score_label(found))


def course(found: Sequence[UnitResult], styles: Looks) -> Figure | None:
    """Mean score over the tasks learnt so far, after each task."""
    name = f"{score_label(found)}, mean so far"
    return _curves(found, styles, metrics.so_far, 1, "tasks learnt", name)


def score_against_size(found: Sequence[UnitResult], styles: Looks) -> Figure | None:
    """Mean final score against bytes of the deployed weights; None where all are as large."""
    groups = {k: u for (k, protocol), u in grouped(found).items() if protocol == "sequential"}
    if len({units[0].cost["bytes"] for units in groups.values()}) < 2:
        return None
    with canvas() as figure:
        axes = figure.add_subplot()
        for label, units in groups.items():
            told = over_seeds([float(np.mean(metrics.final(u.R()))) for u in units])
            size = units[0].cost["bytes"] / 1000
            high = [[told.value - told.low], [told.high - told.value]]
            mark(axes, size, told.value, styles[label], label, yerr=high, linestyle="none")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("deployed weights [kB]")
        axes.set_ylabel(f"final {score_label(found)}")
        legend(figure, axes)
    return figure


Draw = Callable[[Sequence[UnitResult], Looks], Figure | None]
FIGURES: dict[str, tuple[Draw, str]] = {
    "final_scores": (
        final_scores,
        "Score after the whole stream, mean over tasks: interquartile mean over seeds with its "
        "95 % interval. Hollow: upper bounds of the same learner, with all tasks at once (joint) "
        "or one network for each task (single).",
    ),
    "retention": (
        retention,
        "Retention: score at the end of the stream on each task, by how many tasks were learnt "
        "after it. In long streams, means over tasks of similar age.",
    ),
    "by_task": (
        by_task,
        "Every task at the end of the stream (symbol) and just after it was learnt (bar): the "
        "line between them is what was lost or gained.",
    ),
    "decay": (
        decay,
        "How a task fades: its score after more and more further tasks, mean over tasks.",
    ),
    "course": (course, "Mean score over the tasks learnt so far, as the stream goes on."),
    "matrices": (
        lambda found, _: matrices(found),
        "Score on every task (across) after every task (down): below the diagonal is what is "
        "kept, above it what is transferred to tasks that are still to come.",
    ),
    "score_against_size": (score_against_size, "What a deployed network weighs and what it keeps."),
}


def _curves(
    found: Sequence[UnitResult],
    styles: Looks,
    curve: Callable[[np.ndarray], np.ndarray],
    start: int,
    xlabel: str,
    ylabel: str,
) -> Figure | None:
    """One line for each learner: interquartile mean over seeds with its interval."""
    groups = {k: u for (k, protocol), u in grouped(found).items() if protocol == "sequential"}
    if not groups or len(found[0].tasks) < 2:
        return None
    long = len(found[0].tasks) > _LONG
    with canvas() as figure:
        axes = figure.add_subplot()
        for label, units in groups.items():
            values = np.array([curve(u.R()) for u in units])
            x = np.arange(values.shape[1]) + float(start)
            if long and curve is metrics.retention:
                x, values = _binned(x, values)
            keep = np.isfinite(values).all(0)
            x = x[keep]
            told = [over_seeds(list(v)) for v in values.T[keep]]
            look = styles[label]
            marker = look.marker if len(x) <= 25 else None
            low, line, high = ([getattr(t, k) for t in told] for k in ("low", "value", "high"))
            band(axes, x, low, line, high, look, label, marker=marker, ms=4)
        if long:
            axes.set_xscale("symlog", linthresh=10)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_xlim(left=start)
        else:
            whole_numbers(axes)
        if found[0].kind == "classification":
            axes.set_ylim(0, 1)
        else:
            axes.set_ylim(0, min(axes.get_ylim()[1], 2.0))
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        legend(figure, axes)
    return figure


def _binned(ages: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over ages whose logarithms are alike. Shapes (T,), (seeds, T)."""
    edges = np.unique(np.geomspace(1, len(ages) + 1, 24).astype(int)) - 1
    parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
    return (
        np.array([ages[part].mean() for part in parts]),
        np.stack([values[:, part].mean(1) for part in parts], axis=1),
    )


def _gaps(R: np.ndarray) -> bool:
    """Whether an entry on or below the diagonal was not measured."""
    return bool(np.isnan(R[1:][np.tril_indices(R.shape[1])]).any())
