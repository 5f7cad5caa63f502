"""A map of starts over two entries of the state."""

from __future__ import annotations

import io

import numpy as np

from sparsectl.report.figure import canvas
from sparsectl.verify.result import Result
from sparsectl.verify.search import KINDS, Map
from sparsectl.verify.starts import Starts

COLOURS = ("#35a07a", "#d65a00", "#f3c35b", "#c9cbce")
"""Of `KINDS`; distinguishable with the common colour-vision deficiencies."""
_PIXELS = 64


def shares(found: Map, starts: Starts, axes: tuple[int, int]) -> np.ndarray:
    """Volume share of every kind over a grid of two entries. Shape (kinds, 64, 64)."""
    grid = np.zeros((len(KINDS), _PIXELS, _PIXELS))
    span = (starts.high - starts.low)[list(axes)]
    others = np.flatnonzero(starts.free)
    others = others[~np.isin(others, axes)]
    weight = np.prod(
        (found.high - found.low)[:, others] / (starts.high - starts.low)[others], axis=1
    )
    ends = [
        (side[:, list(axes)] - starts.low[list(axes)]) / span * _PIXELS
        for side in (found.low, found.high)
    ]
    ticks = np.arange(_PIXELS)
    for k in range(len(weight)):
        covered = [
            np.clip(np.minimum(ends[1][k, i], ticks + 1) - np.maximum(ends[0][k, i], ticks), 0, 1)
            for i in range(2)
        ]
        i, j = (np.flatnonzero(c) for c in covered)
        grid[found.kind[k], i[0] : i[-1] + 1, j[0] : j[-1] + 1] += (
            weight[k] * covered[0][i][:, None] * covered[1][j]
        )
    return grid


def picture(result: Result, axes: tuple[int, int], title: str) -> bytes:
    """The map as PNG: every point has the mixture of colours that its other entries have."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    assert result.map is not None
    starts, file = result.starts, io.BytesIO()
    grid = shares(result.map, starts, axes)
    colours = np.array([to_rgb(c) for c in COLOURS])
    image = np.tensordot(grid, colours, axes=(0, 0)) / np.maximum(grid.sum(0), 1e-12)[..., None]
    i, j = axes
    with canvas(5.6, 5.2) as figure:
        plot = figure.add_subplot()
        extent = (starts.low[i], starts.high[i], starts.low[j], starts.high[j])
        plot.imshow(
            image.swapaxes(0, 1), origin="lower", extent=extent, aspect="auto",
            interpolation="nearest",
        )  # fmt: skip
        plot.grid(visible=False)
        plot.locator_params(nbins=5)
        plot.set(xlabel=starts.names[i], ylabel=starts.names[j], title=title)
        told = result.map.shares
        legend = [
            Patch(color=c, label=f"{k} {100 * told[k]:.1f} %")
            for k, c in zip(KINDS, COLOURS, strict=True)
        ]
        figure.legend(handles=legend, loc="outside lower center", ncols=2)
        figure.savefig(file, format="png", dpi=120, facecolor="white")
    return file.getvalue()
