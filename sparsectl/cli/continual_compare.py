"""Table, figures and one self-contained report.html of one or several runs.

Runs with the same tasks come into one table. Writes to --out: report.html, compare.csv and
compare.md (with numbers where there are several streams) and the figures as SVG.

Example: sparsectl continual compare runs/continual_permuted_digits --out runs/digits_report
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparsectl.cli import text
from sparsectl.files import fresh_folder
from sparsectl.report.screen import console


@dataclass(frozen=True, kw_only=True)
class Options:
    """Runs, and where to write."""

    folders: tuple[Path, ...]
    """Folders of runs."""
    out: Path = Path("runs/continual_compare")
    """Where report, tables and figures go."""
    title: str = ""
    """Of the report; none: the streams' names."""
    pictures: tuple[Path, ...] = ()
    """Further pictures for the report (PNG, SVG or WebP), for example of `continual theory`."""
    force: bool = False
    """Replace results that are there."""


def main(argv: list[str]) -> int:
    """Parse, read, write."""
    options = text.options(Options, argv, "continual compare", __doc__, first="folders")

    from sparsectl.continual import report, tables

    sections = report.collect(options.folders)
    out = fresh_folder(options.out, options.force)
    path = report.write(sections, out, title=options.title, pictures=options.pictures)
    for section in sections:
        print(section.title)
        console().print(tables.terminal(section.lines))
    print(path)
    return 0
