"""Learning curves of several experiments in one figure and one table.

Takes experiments' folders (`runs/swim`), with a folder for every seed. Writes curves.png,
compare.csv and compare.md to --out.

Example: sparsectl swim compare runs/swim runs/swim_mlp --out runs/swim_compare
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsectl.checkpoint import near
from sparsectl.cli import text
from sparsectl.errors import ConfigError
from sparsectl.files import fresh_folder, write_atomic
from sparsectl.report import table


@dataclass(frozen=True, kw_only=True)
class Options:
    """Experiments and where to write."""

    folders: tuple[Path, ...]
    """Folders of experiments."""
    out: Path = Path("runs/swim_compare")
    """Where figure and tables go."""
    levels: tuple[float, ...] = ()
    """Returns whose first reaching is told too."""
    force: bool = False
    """Replace results that are there."""


def main(argv: list[str]) -> int:
    """Parse, read, write."""
    options = text.options(Options, argv, "swim compare", __doc__, first="folders")

    from sparsectl.circuits import learning
    from sparsectl.report.figure import png

    curves = {folder.name: _seeds(folder) for folder in options.folders}
    rows = learning.table(curves, options.levels)
    out = fresh_folder(options.out, options.force)
    write_atomic(out / "curves.png", png(learning.figure(curves)))
    write_atomic(out / "compare.csv", table.csv(rows))
    shown = table.markdown(learning.columns(rows), rows)
    write_atomic(out / "compare.md", shown)
    print(shown)
    print(out)
    return 0


def _seeds(folder: Path) -> list[list[dict[str, Any]]]:
    from sparsectl.policies.rl import curve

    runs = sorted(p.parent for p in folder.glob(f"*/{curve.CURVE}")) if folder.is_dir() else []
    if not runs:
        raise ConfigError(f"no learning curves in '{folder}/<seed>'{near(folder)}")
    return [rows for run in runs if (rows := curve.read(run))]
