"""Figures as SVG that takes its colours from the page it stands in."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import matplotlib
from matplotlib.figure import Figure

from sparsectl.report.style import STYLE


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
