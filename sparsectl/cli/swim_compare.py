"""Learning curves of several experiments in one figure and one table.

Takes experiments' folders (`runs/swim`), with a folder for every seed. Writes curves.png,
compare.csv and compare.md to --out.

Example: sparsectl swim compare runs/swim runs/swim_mlp --out runs/swim_compare
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    from sparsectl.cli import text

    options = text.options(Options, argv, "swim compare", __doc__, first="folders")

    from sparsectl.circuits import learning
    from sparsectl.files import csv_text, fresh_folder, write_atomic

    curves = {folder.name: _seeds(folder) for folder in options.folders}
    rows = learning.table(curves, options.levels)
    out = fresh_folder(options.out, options.force)
    write_atomic(out / "curves.png", learning.png(learning.figure(curves)))
    write_atomic(out / "compare.csv", csv_text(_flat(rows)))
    shown = markdown(rows)
    write_atomic(out / "compare.md", shown)
    print(shown)
    print(out)
    return 0


def markdown(rows: list[dict[str, Any]]) -> str:
    """Table of `learning.table`."""
    levels = [k for k in rows[0] if k.startswith("to_") and not k.endswith("_reached")]
    head = ["", "seeds", "steps", "untrained", "final", "best"]
    head += [f"steps to {k[3:]} %" if k in ("to_50", "to_80", "to_90") else f"steps to {k[3:]}"
             for k in levels]  # fmt: skip
    lines = [" | ".join(head), " | ".join(["---"] + ["---:"] * (len(head) - 1))]
    for row in rows:
        cells = [row["name"], str(row["seeds"]), f"{row['steps']:,}"]
        cells += [_interval(row[k]) for k in ("initial", "final", "best")]
        cells += [f"{_steps(row[k])} ({row[f'{k}_reached']}/{row['seeds']})" for k in levels]
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines)


def _seeds(folder: Path) -> list[list[dict[str, Any]]]:
    from sparsectl.circuits import curve
    from sparsectl.errors import ConfigError, nearest

    runs = sorted(p.parent for p in folder.glob(f"*/{curve.CURVE}")) if folder.is_dir() else []
    if not runs:
        near = [p.name for p in folder.parent.glob("*")] if folder.parent.is_dir() else []
        raise ConfigError(f"no learning curves in '{folder}/<seed>'" + nearest(folder.name, near))
    return [rows for run in runs if (rows := curve.read(run))]


def _interval(told: Any) -> str:
    return "-" if told.count == 0 else f"{told.value:.0f} ({told.low:.0f}–{told.high:.0f})"


def _steps(value: float) -> str:
    return "never" if value == float("inf") else f"{value:,.0f}"


def _flat(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Intervals as three columns each."""
    flat = []
    for row in rows:
        told: dict[str, Any] = {}
        for key, value in row.items():
            if hasattr(value, "low"):
                told |= {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}
            else:
                told[key] = value
        flat.append(told)
    return flat
