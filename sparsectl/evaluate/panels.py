"""What the figures of a comparison share: one panel a model, looks of controllers, axes of time."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsectl.evaluate.results import Results
from sparsectl.report.figure import canvas, whole_numbers
from sparsectl.report.figure import legend as names_below
from sparsectl.report.style import INK, Look, looks

_WIDTH, _HEIGHT = 5.6, 3.6
"""Size of one panel [inches]."""


def panels(
    results: Results, draw: Callable[[Axes, str], bool], *, legend: bool = False
) -> Figure | None:
    """One panel per model that has something to show, below each other so that each stays
    readable; None if all are empty.

    Args:
        draw: draws a model's panel; whether there was something to draw.
        legend: names below, each once.
    """
    models = [m for m in results.models if any(r["model"] == m for r in results.rows)]
    with canvas(_WIDTH, _HEIGHT * max(1, len(models))) as figure:
        shown = []
        for i, model in enumerate(models):
            axes = figure.add_subplot(len(models), 1, i + 1)
            if not draw(axes, model):
                axes.remove()
                continue
            if len(results.models) > 1:
                axes.set_title(model, loc="left")
            shown.append(axes)
        if not shown:
            return None
        grid = figure.add_gridspec(len(shown), 1)
        for i, axes in enumerate(shown):
            axes.set_subplotspec(grid[i])
        figure.set_size_inches(_WIDTH, _HEIGHT * len(shown))
        if legend:
            names_below(figure, *shown)
    return figure


def looks_of(results: Results) -> dict[str, Look]:
    return looks(results.settings["kinds"])


def unit_of(results: Results) -> float:
    """Time of a step [s]; 1 where the environment does not tell."""
    return next((float(r["dt"]) for r in results.rows if r.get("dt")), 1.0)


def time_label(results: Results) -> str:
    told = any(r.get("dt") for r in results.rows)
    return "time [s]" if told else "step (of unknown length)"


def time_axis(axes: Axes, results: Results) -> None:
    axes.set_xlim(left=0)
    axes.set_xlabel(time_label(results))
    if not any(r.get("dt") for r in results.rows):
        whole_numbers(axes)


def deadline(axes: Axes, results: Results) -> None:
    budget = results.settings["evaluate"]["budget"]
    if budget is not None:
        axes.axvline(1000 * budget, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"budget {1000 * budget:g} ms",
            (1000 * budget, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
        )


def error_label(results: Results) -> str:
    return str(results.settings["evaluate"]["error_label"]).removeprefix("final ")
