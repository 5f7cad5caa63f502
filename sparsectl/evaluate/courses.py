"""Figure of saved trajectories: state and actions against time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsectl.evaluate import trajectories
from sparsectl.evaluate.panels import looks_of, time_label
from sparsectl.evaluate.results import Results
from sparsectl.report.figure import canvas
from sparsectl.report.style import INK

_PARTS, _ENTRIES = 4, 8
"""Parts of the state, and entries of each, that are drawn against time."""


def courses(results: Results) -> Figure | None:
    """State and actions against time, of every controller's median and worst episode.

    One column a controller, one row a part of the state, actions last; a line an entry. None
    where no trajectories are kept.
    """
    kept = trajectories.read(results.folder)
    columns = []
    for model in results.models:
        for name in results.controllers:
            chosen = _median_and_worst([r for r in results.of(model, name) if _key(r) in kept])
            if chosen:
                title = f"{model}: {name}" if len(results.models) > 1 else name
                columns.append((title, looks_of(results)[name], [kept[_key(r)] for r in chosen]))
    if not columns:
        return None
    parts = _parts(results, columns[0][2][0])
    height, width = 1.5 * len(parts) + 0.9, max(2.4 * len(columns) + 0.8, 4.0)
    with canvas(width, height, **{"font.size": 9}) as figure:
        axes = figure.subplots(len(parts), len(columns), squeeze=False, sharex=True, sharey="row")
        for j, (title, look, episodes) in enumerate(columns):
            axes[0, j].set_title(title, loc="left", fontsize=10)
            axes[-1, j].set_xlabel(time_label(results))
            for i, (part, read) in enumerate(parts.items()):
                for episode, style in zip(episodes, (look.light, INK), strict=False):
                    _course(axes[i, j], episode, read(episode), style)
                if j == 0:
                    axes[i, j].set_ylabel(part)
    return figure


def _key(row: dict[str, Any]) -> trajectories.Name:
    return (row["model"], row["controller"], row["episode"])


def _median_and_worst(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By final error, else by return; one row where there is one."""
    name = "final_error" if any(r.get("final_error") is not None for r in rows) else "return"
    known = [r for r in rows if r.get(name) is not None]
    ordered = sorted(known, key=lambda r: r[name] if name == "final_error" else -r[name])
    return [ordered[(len(ordered) - 1) // 2], ordered[-1]][: len(ordered)] if ordered else []


def _parts(results: Results, episode: trajectories.Arrays) -> dict[str, Callable]:
    """How to read each part of an episode, by name: of the state, then the actions."""
    states = results.settings.get("state_parts") or {}
    if "states" not in episode or not states:
        found: dict[str, Callable] = {"observation": lambda e: e["observations"]}
    else:
        found = {
            name: (lambda e, a=a, b=b: e["states"][:, a:b] if "states" in e else None)
            for name, (a, b) in list(states.items())[:_PARTS]
        }
    return {**found, "action": lambda e: e["actions"]}


def _course(
    axes: Axes, episode: trajectories.Arrays, values: np.ndarray | None, colour: str
) -> None:
    if values is None or not len(values):
        return
    times = episode["times"][: len(values)]
    for entry in values.T[:_ENTRIES]:
        axes.plot(times, entry, color=colour, linewidth=0.9, alpha=0.8)
