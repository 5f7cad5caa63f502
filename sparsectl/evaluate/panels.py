"""What the figures share: one panel per model, fonts and colours, axes of decision times."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsectl.evaluate.results import Results
from sparsectl.report.style import INK, STYLE

WIDTH, HEIGHT = 5.6, 3.6
"""Size of one panel [inches]."""


def panels(results: Results, draw: Callable[[Axes, str], None], *, legend: bool = False) -> Figure:
    """One panel per model, below each other so that each stays readable."""
    models = [m for m in results.models if any(r["model"] == m for r in results.rows)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT * max(1, len(models))), layout="constrained")
        for i, model in enumerate(models):
            axes = figure.add_subplot(len(models), 1, i + 1)
            draw(axes, model)
            if len(results.models) > 1:
                axes.set_title(model, loc="left")
            if legend and i == 0 and axes.get_legend_handles_labels()[0]:
                axes.legend(loc="best", fontsize=11)
    return figure


def error_label(results: Results) -> str:
    return str(results.settings["evaluate"]["error_label"]).removeprefix("final ")


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


def time_axis(axes: Axes, medians: list[float]) -> None:
    """Linear from 0 where the controllers are alike, logarithmic where they are not."""
    if medians and max(medians) > 10 * min(medians):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xlim(left=0)
