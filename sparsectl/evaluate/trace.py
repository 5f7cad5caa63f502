"""Incumbent and bound over time: how one decision, or several, came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsectl.report.figure import canvas
from sparsectl.report.style import INK, Look, looks

_LOGARITHMIC = 30.0
"""Times that span more than this factor are drawn on a logarithmic axis."""
_WINDOW = 0.3
"""Costs and bounds this far from the final ones, relative to the largest, are always shown."""


class Traced(Protocol):
    """What is drawn: a `Plan` or a `Solution`."""

    @property
    def trace(self) -> tuple[tuple[float, float, float], ...]: ...
    @property
    def cost(self) -> float: ...
    @property
    def bound(self) -> float | None: ...
    @property
    def gap(self) -> float | None: ...
    @property
    def seconds(self) -> float: ...


def merged(plan: Traced) -> np.ndarray:
    """Best cost and best bound so far. Shape (n, 3): seconds, cost, bound; inf where unknown.

    The last row is the answer itself, at the end of the call.
    """
    points = [(s, c, b) for s, c, b in plan.trace if not np.isnan([s, c, b]).any()]
    bound = -np.inf if plan.bound is None else plan.bound
    last = max([plan.seconds, *(s for s, _, _ in points)])
    table = np.array([*sorted(points), (last, plan.cost, bound)], dtype=np.float64)
    table[:, 1] = np.minimum.accumulate(table[:, 1])
    table[:, 2] = np.maximum.accumulate(table[:, 2])
    # What was claimed on the way may differ from the exact re-roll by the solver's tolerance.
    table[:, 1] = np.maximum(table[:, 1], plan.cost) if np.isfinite(plan.cost) else table[:, 1]
    table[:, 2] = np.minimum(table[:, 2], bound)
    return table


def figure(plans: Mapping[str, Traced], kinds: Mapping[str, str] | None = None) -> Figure:
    """Cost of the best plan and its bound against time, the gap between them shaded.

    Args:
        kinds: controller kind of every name, for its colour; None: the names are the kinds.
    """
    chosen = looks(kinds or {name: name for name in plans})
    with canvas(7.2, 4.4, **{"figure.facecolor": "white"}) as drawn:
        axes = drawn.add_subplot()
        tables = {name: merged(plan) for name, plan in plans.items()}
        start = _time_axis(axes, list(tables.values()))
        for name, table in tables.items():
            _draw(axes, np.maximum(table, [start, -np.inf, -np.inf]), chosen[name])
            axes.plot(
                [], [], color=chosen[name].light, marker=chosen[name].marker, lw=1.8, markersize=5,
                label=_label(name, plans[name]),
            )  # fmt: skip
        if any(plan.bound is not None for plan in plans.values()):
            axes.plot(
                [], [], color=INK, lw=1.2, ls=(0, (4, 2)), label="bound that no plan can beat"
            )
        if not any(np.isfinite(table[:, 1:]).any() for table in tables.values()):
            axes.text(0.5, 0.5, "no plan and no bound", ha="center", transform=axes.transAxes)
        _cost_axis(axes, list(tables.values()))
        axes.set_xlabel("time since the start of the decision [s]")
        axes.set_ylabel("cost of the plan under the model")
        # Above the axes, so that it never covers a line.
        columns = 1 if len(plans) == 1 else 2
        drawn.legend(loc="outside upper left", ncols=columns, fontsize=10, frameon=False)
    return drawn


def _draw(axes: Axes, table: np.ndarray, look: Look) -> None:
    seconds, cost, bound = table.T
    both = np.isfinite(cost) & np.isfinite(bound)
    axes.fill_between(
        seconds, bound, cost, where=both, step="post", color=look.light, alpha=0.16, linewidth=0
    )
    known = np.isfinite(cost)
    axes.step(seconds[known], cost[known], where="post", color=look.light, lw=1.8)
    better = known & np.append(True, np.diff(np.where(known, cost, 0.0)) != 0)
    axes.plot(seconds[better], cost[better], look.marker, color=look.light, markersize=4)
    axes.plot(seconds[known][-1:], cost[known][-1:], look.marker, color=look.light, markersize=7)
    if both[-1]:
        # The gap of the answer; all there is of planners that have one point in time.
        last, ends = seconds[-1], [bound[-1], cost[-1]]
        axes.plot([last, last], ends, color=look.light, lw=1.0, ls=(0, (1, 1.5)))
        axes.plot(last, bound[-1], "_", color=look.light, markersize=9, markeredgewidth=1.6)
    known = np.isfinite(bound)
    axes.step(seconds[known], bound[known], where="post", color=look.light, lw=1.4, ls=(0, (4, 2)))


def _label(name: str, plan: Traced) -> str:
    if not np.isfinite(plan.cost):
        return f"{name}: no plan"
    gap = "no bound" if plan.gap is None else f"gap {100 * plan.gap:.2g} %"
    if plan.gap is not None and plan.gap < 1e-4:
        gap = "gap below 0.01 %"
    return f"{name}: {plan.cost:.4g}, {gap}"


def _time_axis(axes: Axes, tables: list[np.ndarray]) -> float:
    """Logarithmic where times span much; returns the earliest time that can be drawn."""
    times: Any = np.concatenate([t[:, 0] for t in tables])
    last, positive = max(float(times.max(initial=0.0)), 1e-3), times[times > 1e-4]
    first = float(positive.min(initial=last))
    if last > _LOGARITHMIC * first:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(first / 1.3, 1.15 * last)
        return first
    axes.set_xlim(0.0, 1.04 * last)
    return 0.0


def _cost_axis(axes: Axes, tables: list[np.ndarray]) -> None:
    """All costs and bounds, but no further from the final ones than a window."""
    values = np.concatenate([t[:, 1:].ravel() for t in tables])
    values = values[np.isfinite(values)]
    if not len(values):
        return
    final = np.concatenate([t[-1, 1:] for t in tables])
    final = final[np.isfinite(final)] if np.isfinite(final).any() else values
    # Early bounds and first guesses can lie far away: the end of the story has to be legible.
    window = max(final.max() - final.min(), _WINDOW * abs(final).max(), 1e-9)
    low = max(values.min(), final.min() - window)
    high = min(values.max(), final.max() + window)
    room = 0.05 * max(high - low, 1e-9)
    axes.set_ylim(low - room, high + room)
