"""Report of the solver study: one line per variant, ratios on the same instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_FLOOR = 0.02
"""Added to both times [s]: below it a ratio is noise."""
Rows = dict[tuple[str, str], list[dict[str, Any]]]
"""Runs by instance and random seed; the same run may have been repeated."""


def write(rows: list[dict[str, Any]], path: Path) -> str:
    """Write the tables as Markdown and return the text."""
    parts = [
        "# Solver study",
        "",
        "Geometric means of ratios of CPU seconds on the same instances and random seeds, below 1",
        "is faster; unsolved runs count with their limit; repeated runs are averaged. `runs`:",
        "instances x random seeds that both sides ran. A node ratio of 1.00 over all runs means",
        "the same search: its time ratio shows what else went on in the machine (0.9 to 1.0).",
        "The same settings with another random seed differ by factors up to 3 on one instance: a",
        "mean over 10 runs is known to about 15 %, over 28 to about 10 %.",
        "Written by `scripts/mip/solvers.py`.",
    ]
    for backend in dict.fromkeys(r["backend"] for r in rows):
        mine = [r for r in rows if r["backend"] == backend]
        for base, title in (
            ("default", "against the settings before this study"),
            ("heuristics fast", "against fast heuristics"),
        ):
            table = _table(mine, base)
            if len(table) > 3:
                parts += ["", f"## {backend}: {title}", "", *table]
    text = "\n".join(parts) + "\n"
    path.write_text(text)
    return text


def _table(rows: list[dict[str, Any]], base_name: str) -> list[str]:
    found: dict[str, Rows] = {}
    for r in rows:
        runs = found.setdefault(r["variant"], {})
        runs.setdefault((r["instance"], r["random"]), []).append(r)
    base = found.get(base_name, {})
    lines = [
        "| variant | time ratio | range | node ratio | solved | base solved | runs |",
        "|---|---|---|---|---|---|---|",
    ]
    entries = [_line(name, runs, base) for name, runs in found.items() if _about(name, base_name)]
    return lines + [line for _, line in sorted(e for e in entries if e is not None)]


def _about(name: str, base: str) -> bool:
    return base == "default" or name.startswith((base, "heuristics off", "shipped"))


def _line(name: str, runs: Rows, base: Rows) -> tuple[float, str] | None:
    shared = [k for k in runs if k in base]
    if not shared:
        return None
    ratio = np.array([_seconds(runs[k]) / _seconds(base[k]) for k in shared])
    both = [k for k in shared if _solved(runs[k]) and _solved(base[k])]
    nodes = [_nodes(runs[k]) / _nodes(base[k]) for k in both]
    mean = _geometric(ratio)
    return mean, (
        f"| {name} | {mean:.2f} | {ratio.min():.2f} to {ratio.max():.2f} "
        f"| {_geometric(nodes):.2f} | {sum(_solved(runs[k]) for k in shared)} "
        f"| {sum(_solved(base[k]) for k in shared)} | {len(shared)} |"
    )


def _geometric(values: Any) -> float:
    return float(np.exp(np.log(values).mean())) if len(values) else float("nan")


def _seconds(runs: list[dict[str, Any]]) -> float:
    return _geometric([float(r["cpu"]) + _FLOOR for r in runs])


def _nodes(runs: list[dict[str, Any]]) -> float:
    return int(runs[-1]["nodes"]) + 10.0


def _solved(runs: list[dict[str, Any]]) -> bool:
    return runs[-1]["solved"] == "1"
