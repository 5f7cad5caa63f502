"""Colours and lines: the same controller looks the same in every figure and table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

INK, GRID = "#1a1b1c", "#dcdddf"
"""Placeholders that the report replaces by the page's own colours."""
STYLE: Any = {
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
}
"""Of every figure, for `matplotlib.rc_context`."""


@dataclass(frozen=True)
class Look:
    """How a controller is drawn.

    Attributes:
        light, dark: colours on a light and on a dark page. Distinguishable with any of the
            common colour-vision deficiencies (after Okabe and Ito).
    """

    light: str
    dark: str
    dash: str | tuple
    marker: str


_SOLID, _DASH, _DOT = "-", (0, (5, 1.5)), (0, (1, 1.2))
_KINDS = {
    "mip": Look("#0068b3", "#5cb3f2", _SOLID, "o"),
    "mppi": Look("#d65a00", "#ff9550", _DASH, "s"),
    "cem": Look("#008f68", "#35c99b", (0, (5, 1.5, 1, 1.5)), "^"),
    "gradient": Look("#b04a8c", "#e596c8", (0, (3, 1.2, 1, 1.2, 1, 1.2)), "D"),
    "relaxation": Look("#5b50b8", "#a9a1f5", _DASH, "v"),
    "zero": Look("#77797c", "#9a9da1", _DOT, "x"),
    "random": Look("#8f7a00", "#d9c23a", _DOT, "+"),
}
_SPARE = (
    Look("#8a4b2a", "#d6946f", _SOLID, "P"),
    Look("#117a8b", "#5cc8d8", _DOT, "<"),
    Look("#a3213f", "#f0788f", (0, (5, 1.5, 1, 1.5)), ">"),
    Look("#55701c", "#a5c860", _DASH, "*"),
    Look("#3d4f63", "#a3b4c8", _SOLID, "h"),
)


def looks(kinds: Mapping[str, str]) -> dict[str, Look]:
    """Look of each controller, by name.

    Args:
        kinds: kind of each controller; the first of a kind gets the kind's own look.
    """
    chosen, used, spare = {}, set(), 0
    for name, kind in kinds.items():
        if kind in _KINDS and kind not in used:
            chosen[name] = _KINDS[kind]
            used.add(kind)
        else:
            chosen[name] = _SPARE[spare % len(_SPARE)]
            spare += 1
    return chosen


def looks_of(labels: Iterable[str]) -> dict[str, Look]:
    """Look of each of several labels that are not controllers: the clearest ones first."""
    names = list(dict.fromkeys(labels))
    first = ("mip", "mppi", "cem", "gradient", "relaxation", "random", "zero")
    return looks(dict(zip(names, (*first, *names[len(first) :]), strict=False)))
