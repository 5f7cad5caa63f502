"""Figures in one style, and as SVG that takes its colours from the page it stands in."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from sparsectl.report.style import STYLE, Look


@contextmanager
def canvas(width: float = 6.4, height: float = 4.0, **style: Any) -> Iterator[Figure]:
    """A figure to draw on, in the common style [inches]."""
    settings: Any = {**STYLE, **style}
    with matplotlib.rc_context(settings):
        yield Figure(figsize=(width, height), layout="constrained")


def band(
    axes: Axes, x: Any, low: Any, middle: Any, high: Any, look: Look, label: str, **line: Any
) -> None:
    """A line with a shaded interval."""
    axes.fill_between(x, low, high, color=look.light, alpha=0.15, linewidth=0)
    axes.plot(x, middle, color=look.light, linestyle=look.dash, label=label, **line)


def mark(axes: Axes, x: float, y: float, look: Look, label: str, **more: Any) -> None:
    """One point; `more` are its whiskers, as of `Axes.errorbar`."""
    axes.errorbar(
        x, y, color=look.light, marker=look.marker, markersize=7, linewidth=1.2, label=label, **more
    )


def draw_rows(axes: Axes, names: list[str]) -> None:
    """One row for each name, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def whole_numbers(axes: Axes) -> None:
    """Ticks of x at whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def from_zero(axes: Axes, values: Any = ()) -> None:
    """y from 0, or from below where there are negative values."""
    found = np.asarray(values, dtype=float)
    found = found[np.isfinite(found)]
    if not (len(found) and found.min() < 0):
        axes.set_ylim(bottom=0)


def legend(figure: Figure, *every: Axes) -> None:
    """Below the axes, each of their names once, so that it never covers a line; none without."""
    named: dict[str, Any] = {}
    for axes in every:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    if named:
        figure.legend(
            list(named.values()), list(named), loc="outside lower center", ncols=3, fontsize=10
        )


def logarithmic(axes: Axes, values: Any) -> None:
    """x logarithmic where positive values span more than a factor of 10, else linear (from 0)."""
    found = np.asarray([v for v in values if v is not None], dtype=float)
    found = found[np.isfinite(found)]
    if len(found) and found.min() > 0 and found.max() > 10 * found.min():
        axes.set_xscale("log")
        # Where few powers of ten are shown, matplotlib names every minor tick.
        axes.xaxis.set_minor_formatter("")
        if found.max() < 100 * found.min():
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xlim(left=0)


def png(figure: Figure, *, dpi: int = 150, **options: Any) -> bytes:
    """A figure as PNG; `options` are those of `Figure.savefig`."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, **options)
    return content.getvalue()


def to_svg(figure: Figure) -> str:
    """SVG document with text as text."""
    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "sparsectl"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def inline(svg: str, prefix: str, colours: Mapping[str, str], label: str) -> str:
    """An SVG element for an HTML page.

    Args:
        svg: document of `to_svg`.
        prefix: makes its ids unique in the page.
        colours: replacements such as `{"#1a1b1c": "currentColor"}`.
        label: what it shows, for people who cannot see it.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = re.sub(r'href="#', f'href="#{prefix}', body)
    body = body.replace("url(#", f"url(#{prefix}")
    for old, new in colours.items():
        body = re.sub(re.escape(old), new, body, flags=re.IGNORECASE)
    # The page decides on width and font.
    head, rest = body.split(">", 1)
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    rest = re.sub(r"font-family: [^;\"]*", "font-family: inherit", rest)
    rest = re.sub(r"font: ([^;\"']*)'[^;\"]*", r"font: \1sans-serif; font-family: inherit", rest)
    safe = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return f'{head} role="img" aria-label="{safe}">{rest}'
