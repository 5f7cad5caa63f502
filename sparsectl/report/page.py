"""One self-contained HTML page: nothing is fetched, it can be mailed or archived as it is."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import jinja2
from matplotlib.figure import Figure

from sparsectl.errors import ConfigError, nearest
from sparsectl.files import write_atomic
from sparsectl.report import text
from sparsectl.report.figure import inline, to_svg
from sparsectl.report.style import GRID, INK, Look
from sparsectl.report.table import Column, Line

_PICTURES = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp"}


@dataclass(frozen=True)
class Table:
    """Lines under columns; what the columns mean stands below.

    Attributes:
        name: id in the page.
        who: of a line, the name whose colour marks it; it stands in the column `marked`.
        style: of a line: `strong`, `soft` or nothing.
        folded: what is said where the table is folded away.
    """

    kind: ClassVar[str] = "table"
    name: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    marked: str = ""
    who: Callable[[Line], str] = lambda _: ""
    style: Callable[[Line], str] = lambda _: ""
    folded: str = ""


@dataclass(frozen=True)
class Figures:
    """Drawings next to each other: dictionaries with name, caption, svg and wide."""

    kind: ClassVar[str] = "figures"
    drawn: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Clips:
    """Groups of clips side by side: dictionaries with title and cards."""

    kind: ClassVar[str] = "clips"
    groups: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Words:
    """A paragraph, or several notes, or preformatted text that may be folded away."""

    kind: ClassVar[str] = "words"
    lines: Sequence[str]
    form: str = "paragraph"
    folded: str = ""


Part = Table | Figures | Clips | Words


@dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    title: str
    parts: Sequence[Part]
    level: int = 2


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        verdict: what follows from it, sentence by sentence.
        tiles: headline numbers: dictionaries with value and label; `headline` names what they
            are of.
        versions: of what it was made with, by package.
    """

    title: str
    subtitle: str
    sections: Sequence[Section]
    looks: Mapping[str, Look]
    versions: Mapping[str, str]
    verdict: Sequence[str] = ()
    tiles: Sequence[Mapping[str, str]] = ()
    headline: str = ""
    classes: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", {n: f"c{i}" for i, n in enumerate(self.looks)})


def render(page: Page) -> str:
    """The page as HTML text."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = files("sparsectl.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(page=page, text=text)


def drawn(
    figures: Iterable[tuple[str, str, Figure | None]],
    folder: Path,
    looks: Mapping[str, Look],
    *,
    prefix: str = "",
    suffix: str = "",
    wide: Sequence[str] = (),
) -> Figures:
    """Figures for a page, also written as SVG files to a folder.

    Args:
        figures: name, caption and figure; what is None is left out, and an older file removed.
        looks: colours by name, which the page then decides on.
        prefix: of files and ids.
        suffix: of the names in the page.
        wide: names of those that need a page's whole width.
    """
    colours = {INK: "currentColor", GRID: "var(--grid)"}
    colours |= {look.light: f"var(--c{i})" for i, look in enumerate(looks.values())}
    found = []
    for i, (name, caption, figure) in enumerate(figures):
        path = folder / f"{prefix}{name}.svg"
        if figure is None:
            path.unlink(missing_ok=True)
            continue
        document = to_svg(figure)
        write_atomic(path, document)
        # The element comes from Matplotlib, which escapes every name that stands in it.
        element = jinja2.utils.markupsafe.Markup(
            inline(document, f"{prefix}f{i}-", colours, caption)
        )
        about = {"name": name + suffix, "caption": caption, "wide": name in wide}
        found.append({**about, "svg": element})
    return Figures(found)


def picture(path: Path | None) -> str | None:
    """A picture (PNG, SVG, WebP) as an address that holds all of it; None of None.

    Raises:
        ConfigError: missing, or of another kind.
    """
    if path is None:
        return None
    if path.suffix not in _PICTURES:
        raise ConfigError(f"picture '{path}'" + nearest(path.suffix, _PICTURES))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"picture '{path}': {error.strerror}") from error
    return f"data:{_PICTURES[path.suffix]};base64,{base64.b64encode(content).decode()}"
