"""Figure of maps of recoverable starts, one panel a model and horizon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap

from scripts import study
from scripts.study import Row
from sparsectl.envs.wallpole.scene import LENGTH, WALL
from sparsectl.report.figure import canvas

KINDS = {
    "recoverable": ("#009E73", "a plan that keeps the limits and ends in the terminal set"),
    "outside": ("#E69F00", "proved: no such plan"),
    "lost": ("#C9CCD1", "proved: no plan keeps the limits"),
    "undecided": ("#FFFFFF", "undecided"),
}
"""Verdicts: colour and meaning."""


def draw(path: Path, rows: Sequence[Row], position: float) -> None:
    """Write the figure.

    Args:
        position: of the cart [m].
    """
    maps = study.groups(rows, "relus", "horizon")
    names = list(KINDS)
    touch = np.arcsin((WALL - position) / LENGTH)
    with canvas(4.6 * len(maps) + 0.4, 5.2, **{"figure.facecolor": "white"}) as figure:
        panels = figure.subplots(1, len(maps), squeeze=False)[0]
        for axes, ((relus, horizon), some) in zip(panels, maps.items(), strict=True):
            x, y = (np.unique([r[k] for r in some]) for k in ("angle", "spin"))
            found = np.full((len(y), len(x)), np.nan)
            for r in some:
                at = np.searchsorted(y, r["spin"]), np.searchsorted(x, r["angle"])
                found[at] = names.index(r["verdict"])
            shades = ListedColormap([colour for colour, _ in KINDS.values()])
            axes.pcolormesh(x, y, found, cmap=shades, vmin=-0.5, vmax=len(names) - 0.5,
                            edgecolor="white", linewidth=0.4)  # fmt: skip
            axes.axvline(touch, color="#1a1b1c", linestyle="--", linewidth=1.2)
            axes.text(touch, 1.07, " in the wall", fontsize=10, va="bottom")
            odd = [r for r in some if r.get("agrees") is False]
            axes.plot([r["angle"] for r in odd], [r["spin"] for r in odd], "x", color="#1a1b1c",
                      markersize=5, label="the simulator disagrees")  # fmt: skip
            axes.grid(visible=False)
            axes.set_xlabel("angle of the pole [rad]")
            axes.set_title(f"{relus} ReLUs, {horizon} steps" if relus
                           else f"model on paper, {horizon} steps", pad=20)  # fmt: skip
        panels[0].set_ylabel("its velocity [rad/s]")
        for colour, label in list(KINDS.values())[:3]:
            panels[0].plot([], [], "s", color=colour, markersize=9, label=label)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(len(maps), 2), fontsize=10
        )
        study.figure(path, figure)
