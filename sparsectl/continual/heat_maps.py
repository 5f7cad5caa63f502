"""Matrices of scores as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from sparsectl.continual.results import UnitResult, grouped
from sparsectl.report.figure import canvas

LARGEST_MATRIX = 60
"""Tasks up to which matrices are drawn."""
_NUMBERS = 6
"""Tasks up to which their entries are written too."""


def score_label(found: Sequence[UnitResult]) -> str:
    """Name of the score."""
    return "accuracy" if found[0].kind == "classification" else "normalised error"


def matrices(found: Sequence[UnitResult]) -> Figure | None:
    """R of every learner, mean over seeds; None for long streams."""
    groups = {k: u for (k, protocol), u in grouped(found).items() if protocol == "sequential"}
    if not groups or not 2 <= len(found[0].tasks) <= LARGEST_MATRIX:
        return None
    T, higher = len(found[0].tasks), found[0].kind == "classification"
    means = {label: np.mean([u.R() for u in units], axis=0) for label, units in groups.items()}
    known = np.concatenate([R[1:][np.isfinite(R[1:])] for R in means.values()])
    top = 1.0 if higher else min(1.0, float(np.max(known, initial=1e-3)))
    columns = min(4, len(means))
    rows = math.ceil(len(means) / columns)
    size = (3.0 * columns + 1.0, 3.0 * rows + 0.3)
    with canvas(*size, **{"axes.grid": False, "font.size": 10}) as figure:
        room = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.12)  # titles are not cut
        figure.set_layout_engine(room)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax in axes[len(means) :]:
            ax.set_axis_off()
        for i, (ax, (label, R)) in enumerate(zip(axes, means.items(), strict=False)):
            image = ax.imshow(
                R[1:],
                cmap="viridis" if higher else "viridis_r",
                vmin=0,
                vmax=top,
                extent=(0.5, T + 0.5, T + 0.5, 0.5),
                interpolation="nearest",
            )
            ax.set_title(label, loc="left", fontsize=11)
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            if i % columns == 0:
                ax.set_ylabel("tasks learnt")
            if i >= len(means) - columns:
                ax.set_xlabel("evaluated on task")
            if T <= _NUMBERS:
                _write_entries(ax, R[1:], top, higher)
        bar = figure.colorbar(image, ax=list(axes), shrink=0.9, aspect=30)
        bar.set_label(score_label(found) + ("" if higher or top < 1 else ", 1 and above alike"))
    return figure


def _write_entries(axes: Axes, R: np.ndarray, top: float, higher: bool) -> None:
    for (i, j), value in np.ndenumerate(R):
        if np.isfinite(value):
            share = min(value / top, 1.0)
            bright = share > 0.6 if higher else share < 0.4
            axes.text(
                j + 1,
                i + 1,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="black" if bright else "white",
            )
