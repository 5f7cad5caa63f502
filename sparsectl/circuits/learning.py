"""Learning curves of several runs: how good, how soon, with intervals over training seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sparsectl.policies.rl.curve import Row
from sparsectl.report import statistics, style
from sparsectl.report.figure import band, canvas
from sparsectl.report.table import Column, measure, word

Curves = Mapping[str, Sequence[Sequence[Row]]]
"""Rows of every seed, by name of the run."""
SHARES = (0.5, 0.8, 0.9)


def table(curves: Curves, levels: Sequence[float] = ()) -> list[dict[str, Any]]:
    """One row per run.

    Args:
        levels: returns whose first reaching is wanted too.

    Returns:
        name, seeds, steps (of the longest curve), then as `Interval` over seeds: initial, final
        and best return; and `to_50`, `to_80`, `to_90`, `to_<level>`: interquartile mean of the
        environment steps until an evaluation reached that share of the best return of all runs
        (that level), infinite where a quarter of the seeds or more never did, with `..._reached`,
        the number of seeds that did.
    """
    top = max((_best(rows) for seeds in curves.values() for rows in seeds), default=math.nan)
    wanted = {f"to_{round(100 * s)}": s * top for s in SHARES}
    wanted |= {f"to_{level:g}": level for level in levels}
    return [_row(name, seeds, wanted) for name, seeds in curves.items()]


def reached(rows: Sequence[Row], level: float) -> float:
    """Environment steps at the first evaluation whose mean return is at least `level`."""
    return next(
        (r["steps"] for r in rows if r["return_mean"] is not None and r["return_mean"] >= level),
        math.inf,
    )


def at(rows: Sequence[Row], steps: np.ndarray) -> np.ndarray:
    """Return after given numbers of steps, linear between evaluations, NaN beyond the curve."""
    good = [r for r in rows if r["return_mean"] is not None]
    if not good:
        return np.full(len(steps), np.nan)
    x, y = [r["steps"] for r in good], [r["return_mean"] for r in good]
    return np.interp(steps, x, y, right=np.nan)


def figure(
    curves: Curves,
    title: str = "",
    top: float | None = None,
    levels: Mapping[str, float] | None = None,
) -> Figure:
    """Interquartile mean over seeds with 95 % intervals, against environment steps.

    Args:
        top: a line at the largest possible return.
        levels: returns of policies that do not learn, by label: dotted lines.
    """
    looks = style.looks_of(curves)
    last = max((rows[-1]["steps"] for seeds in curves.values() for rows in seeds), default=0) or 1
    grid = np.unique(np.concatenate([[0], np.geomspace(last / 300, last, 120)]))
    with canvas(8.2, 4.6, **{"font.size": 10, "grid.linewidth": 0.6}) as drawing:
        axes = drawing.add_subplot()
        for name, seeds in curves.items():
            middle, low, high = _band(np.stack([at(rows, grid) for rows in seeds]))
            known = np.isfinite(middle)
            x, low, middle, high = (v[known] for v in (grid, low, middle, high))
            band(axes, x, low, middle, high, looks[name], name, lw=1.8)
        if top is not None:
            axes.axhline(top, color=style.INK, lw=0.8, alpha=0.4)
        for name, level in (levels or {}).items():
            axes.axhline(level, color=style.INK, lw=1.2, ls=":", label=name)
        axes.set(xlabel="environment steps", ylabel="return of an episode", title=title)
        axes.set_xscale("symlog", linthresh=last / 100, linscale=0.5)
        axes.set_xlim(0, last)
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    drawing.set_facecolor("white")
    return drawing


def columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Columns of `table`."""

    def reached_by(key: str) -> Column:
        share = key in {f"to_{round(100 * s)}" for s in SHARES}
        title = f"steps to {key[3:]}{' %' if share else ''}"
        return Column(title, lambda r: f"{_steps(r[key])} ({r[f'{key}_reached']}/{r['seeds']})")

    whole = partial(measure, show=lambda v: "-" if v is None else f"{v:.0f}")
    levels = [k for k in rows[0] if k.startswith("to_") and not k.endswith("_reached")]
    return [
        word("", "name"),
        Column("seeds", lambda r: str(r["seeds"])),
        Column("steps", lambda r: f"{r['steps']:,}"),
        whole("untrained", "initial"),
        whole("final", "final"),
        whole("best", "best"),
        *map(reached_by, levels),
    ]


def _steps(value: float) -> str:
    return "never" if value == math.inf else f"{value:,.0f}"


def _row(name: str, seeds: Sequence[Sequence[Row]], wanted: Mapping[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "seeds": len(seeds),
        "steps": max(rows[-1]["steps"] for rows in seeds),
    }
    for key, values in {
        "initial": [rows[0]["return_mean"] for rows in seeds],
        "final": [rows[-1]["return_mean"] for rows in seeds],
        "best": [_best(rows) for rows in seeds],
    }.items():
        row[key] = statistics.bootstrap([[v for v in values if v is not None]])
    for key, level in wanted.items():
        steps = [reached(rows, level) for rows in seeds]
        row[f"{key}_reached"] = int(np.isfinite(steps).sum())
        row[key] = _middle(steps)
    return row


def _middle(steps: Sequence[float]) -> float:
    """Interquartile mean; infinite as soon as an infinite value is within the middle half."""
    ordered = np.sort(steps)
    if not np.isfinite(ordered[math.ceil(0.75 * len(ordered)) - 1]):
        return math.inf
    finite = ordered[np.isfinite(ordered)]
    return float(statistics.iqm(np.where(np.isfinite(ordered), ordered, finite.max())))


def _best(rows: Sequence[Row]) -> float:
    return max((r["return_mean"] for r in rows if r["return_mean"] is not None), default=-math.inf)


def _band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Interquartile mean and its interval at each step. Shape (seeds, steps) -> 3 times (steps,).

    Only where every seed has a value.
    """
    told = [
        statistics.bootstrap([v], resamples=1000)
        if np.isfinite(v).all()
        else statistics.Interval(math.nan, math.nan, math.nan, 0)
        for v in values.T
    ]
    return tuple(np.array([getattr(t, k) for t in told]) for k in ("value", "low", "high"))  # type: ignore[return-value]
