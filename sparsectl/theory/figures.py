"""Figures of the theory: one task with its jump, and what a second task does to the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsectl.report.figure import canvas
from sparsectl.report.figure import png as as_png
from sparsectl.report.style import INK, STYLE, Look, looks
from sparsectl.theory.curves import jump

Row = Mapping[str, Any]
_PAGE = {**STYLE, "figure.facecolor": "white", "savefig.facecolor": "white", "font.size": 10,
         "axes.titlesize": 11}  # fmt: skip
_KINDS = ("mip", "mppi", "cem", "gradient", "relaxation", "random")
_BRANCHES = ("-", (0, (1, 1.2)), "-")


def one_task(
    curves: Mapping[str, Sequence[Row]], descent: Sequence[Row] = (), band: float | None = None
) -> Figure:
    """Generalisation error, overlaps, free energy and entropy against alpha.

    Args:
        curves: rows of kind `curve`, by label; unstable branches are drawn dotted, and a thin
            line stands where both stable ones are equally likely.
        descent: rows of kind `descent`, drawn with standard errors.
        band: half width of a band drawn around the first curve's error; None: none.
    """
    with canvas(9.6, 7.2, **_PAGE) as figure:
        error, overlaps, energy, entropy = figure.subplots(2, 2).ravel()
        for (label, rows), look in zip(curves.items(), _looks(curves), strict=True):
            _branches(error, rows, "error", look, label)
            _branches(energy, rows, _free_energy(rows), look, label)
            _branches(entropy, rows, "entropy", look, label)
            if found := jump(rows):
                for axes in (error, energy):
                    axes.axvline(found.alpha, color=look.light, lw=0.8, ls=(0, (4, 3)))
        first = next(iter(curves.values()), [])
        names = {"qd": "$q_d$", "q0": "$q_0$", "r1": "$r_1$"}
        for (key, label), look in zip(names.items(), _looks(names, skip=2), strict=True):
            _branches(overlaps, first, key, look, label)
        if band and first:
            low = [r for r in first if r["folds"] == 0]
            x, y = (np.array([r[k] for r in low]) for k in ("alpha", "error"))
            error.fill_between(x, y - band, y + band, color=INK, alpha=0.08, lw=0)
        _points(error, descent, "alpha", "error", INK, "o", "descent")
        error.set(ylabel=r"generalisation error $\epsilon_g$", ylim=(0, None))
        overlaps.set(ylabel="overlaps" + (f", {next(iter(curves))}" if len(curves) > 1 else ""))
        energy.set(ylabel=r"free energy $\beta f$ per weight, less a line")
        entropy.set(ylabel="entropy per weight")
        for axes in (error, overlaps, energy, entropy):
            axes.set_xlabel(r"examples per weight $\alpha$")
            axes.set_xlim(left=0)
            axes.legend(fontsize=9)
    return figure


def two_tasks(rows: Sequence[Row], descent: Sequence[Row] = ()) -> Figure:
    """Errors on both tasks against the second task's alpha: one panel for each gamma.

    Args:
        rows: of kind `two`.
        descent: rows of kind `descent2`.
    """
    gammas = sorted({r["gamma"] for r in rows}, reverse=True)
    similarities = sorted({r["r0"] for r in rows})
    with canvas(4.9 * max(1, len(gammas)), 4.4, **_PAGE) as figure:
        for i, gamma in enumerate(gammas):
            axes = figure.add_subplot(1, len(gammas), i + 1)
            for r0, look in zip(similarities, _looks(similarities), strict=True):
                own = [r for r in rows if (r["gamma"], r["r0"]) == (gamma, r0)]
                met = [r for r in descent if (r["gamma"], r["r0"]) == (gamma, r0)]
                for key, style, marker in (("error1", "-", "o"), ("error2", _DASHED, "s")):
                    x = [r["alpha2"] for r in own]
                    label = f"$r_0$ = {r0:g}" if key == "error1" else None
                    y = [r[key] for r in own]
                    axes.plot(x, y, color=look.light, ls=style, marker=".", ms=4, label=label)
                    _points(axes, met, "alpha2", key, look.light, marker, None)
            axes.plot([], [], color=INK, label="task 1")
            axes.plot([], [], color=INK, ls=_DASHED, label="task 2")
            if descent:
                axes.plot([], [], color=INK, ls="", marker="o", mfc="white", label="descent")
            axes.set_title(rf"$\gamma$ = {gamma:g}", loc="left")
            axes.set(xlabel=r"examples of task 2 per weight $\alpha_2$", ylim=(0, None))
            axes.set_xlim(left=0)
            if i == 0:
                axes.set_ylabel(r"generalisation error $\epsilon_g$")
                axes.legend(fontsize=9, ncols=2, loc="upper right")
                axes.set_ylim(top=1.22 * axes.get_ylim()[1])
    return figure


def png(figure: Figure) -> bytes:
    """A figure as PNG."""
    with matplotlib.rc_context(_PAGE):
        return as_png(figure, dpi=130)


_DASHED = (0, (5, 1.5))


def _branches(
    axes: Axes, rows: Sequence[Row], key: str | Callable[[Row], float], look: Look, label: str
) -> None:
    """The curve, cut at its folds; neighbouring branches share the point at the fold."""
    get = key if callable(key) else (lambda row: row[key])
    for n in sorted({r["folds"] for r in rows}):
        part = [r for r in rows if r["folds"] == n]
        before = [r for r in rows if r["folds"] < n]
        part = [*before[-1:], *part]
        axes.plot(
            [r["alpha"] for r in part],
            [get(r) for r in part],
            color=look.light,
            ls=_BRANCHES[min(n, 2)],
            lw=1.7,
            label=label if n == 0 else None,
        )


def _free_energy(rows: Sequence[Row]) -> Callable[[Row], float]:
    """beta f less the straight line through the curve's ends, so that crossings are seen."""
    if not rows:
        return lambda row: -row["potential"]
    a, b = rows[0], rows[-1]
    slope = (b["potential"] - a["potential"]) / max(b["alpha"] - a["alpha"], 1e-9)
    return lambda row: -(row["potential"] - a["potential"] - slope * (row["alpha"] - a["alpha"]))


def _points(
    axes: Axes, rows: Sequence[Row], x: str, y: str, colour: str, marker: str, label: str | None
) -> None:
    """Mean over trials with its standard error."""
    places = sorted({r[x] for r in rows})
    values = [np.array([r[y] for r in rows if r[x] == place]) for place in places]
    errors = [v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else 0.0 for v in values]
    if places:
        axes.errorbar(
            places, [v.mean() for v in values], yerr=errors, fmt=marker, ms=4.5, mfc="white",
            color=colour, capsize=2.5, lw=1.2, label=label, zorder=3,
        )  # fmt: skip


def _looks(names: Any, skip: int = 0) -> list[Look]:
    kinds = [_KINDS[(i + skip) % len(_KINDS)] for i in range(len(names))]
    return [looks({"x": kind})["x"] for kind in kinds]
