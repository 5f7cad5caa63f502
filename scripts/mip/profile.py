"""Performance profile of the solver benchmark (Dolan and More 2002)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from scripts import study


def profile(rows: list[dict[str, Any]], path: Path) -> None:
    """Share of instances solved within a factor of the fastest method, and within a time.

    Only instances that every method drawn has run and at least one solved; methods that ran
    less than half of what the most complete one ran are left out, and named in the title.
    """
    exact = study.groups((r for r in rows if r["method"] != "cem"), "method")
    runs = {
        method: {r["instance"]: max(r[r["clock"]], 1e-3) if r["solved"] else np.inf for r in mine}
        for (method,), mine in exact.items()
    }
    if not runs:
        return
    most = max(len(r) for r in runs.values())
    drawn = {m: r for m, r in runs.items() if 2 * len(r) >= most}
    shared = sorted(set.intersection(*(set(r) for r in drawn.values())))
    times = {m: np.array([r[i] for i in shared]) for m, r in drawn.items()}
    solved_by_any = np.isfinite(np.array(list(times.values()))).any(0)
    count = int(solved_by_any.sum())
    if count == 0:
        return
    fastest = np.min(list(times.values()), axis=0)[solved_by_any]
    ratios = np.array([v[solved_by_any] / fastest for v in times.values()])
    ratio = float(ratios[np.isfinite(ratios)].max())
    figure = Figure(figsize=(11, 4), layout="tight")
    left, right = figure.subplots(1, 2, sharey=True)
    for method, values in times.items():
        values = values[solved_by_any]
        _steps(left, values / fastest, count, method, longest=2 * ratio)
        _steps(right, values, count, method, longest=rows[0]["limit"])
    left.set(xlabel="time / fastest method's time", ylabel="share of instances solved")
    right.set(xlabel=f"{rows[0]['clock']} time [s]")
    for axes in (left, right):
        axes.set(xscale="log", ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    right.legend(fontsize=8, loc="lower right")
    without = [m for m in runs if m not in drawn]
    note = f"\ntoo few runs: {', '.join(without)}" if without else ""
    title = f"{count} of {len(shared)} instances solved by at least one method{note}"
    figure.suptitle(title, fontsize=10)
    study.figure(path, figure)


def _steps(axes: Any, values: np.ndarray, count: int, label: str, longest: float) -> None:
    finite = np.sort(values[np.isfinite(values)])
    x = np.concatenate([finite[:1], finite, [max(longest, *finite[-1:])]])
    y = np.concatenate([np.zeros(len(finite[:1])), np.arange(1, len(finite) + 1), [len(finite)]])
    axes.step(x, y / count, where="post", label=label)
