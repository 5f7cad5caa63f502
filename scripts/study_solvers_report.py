"""Report of the solver study: one line per variant, ratios to `default` on the same instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_FLOOR = 0.02
"""Added to both times [s]: below it a ratio is noise."""


def write(rows: list[dict[str, Any]], path: Path) -> str:
    """Write the tables as Markdown and return the text."""
    parts = [
        "# Solver study",
        "",
        "Ratio of CPU seconds to `default` on the same instances and random seeds: below 1 is "
        "faster. Unsolved runs count with their limit. Written by `scripts/study_solvers.py`.",
    ]
    for backend in dict.fromkeys(r["backend"] for r in rows):
        parts += ["", f"## {backend}", "", *_table([r for r in rows if r["backend"] == backend])]
    text = "\n".join(parts) + "\n"
    path.write_text(text)
    return text


def _table(rows: list[dict[str, Any]]) -> list[str]:
    times: dict[str, dict[tuple, dict[str, Any]]] = {}
    for r in rows:
        times.setdefault(r["variant"], {})[r["instance"], r["random"]] = r
    base = times.get("default", {})
    lines = [
        "| variant | time ratio | range | node ratio | solved | default solved | runs |",
        "|---|---|---|---|---|---|---|",
    ]
    entries = []
    for name, found in times.items():
        shared = [k for k in found if k in base]
        if not shared:
            continue
        ratio = np.array([_seconds(found[k]) / _seconds(base[k]) for k in shared])
        both = [k for k in shared if _solved(found[k]) and _solved(base[k])]
        nodes = [(int(found[k]["nodes"]) + 10) / (int(base[k]["nodes"]) + 10) for k in both]
        mean = float(np.exp(np.log(ratio).mean()))
        node_mean = float(np.exp(np.log(nodes).mean())) if nodes else float("nan")
        entries.append(
            (
                mean,
                f"| {name} | {mean:.2f} | {ratio.min():.2f} to {ratio.max():.2f} | {node_mean:.2f} "
                f"| {sum(_solved(found[k]) for k in shared)} "
                f"| {sum(_solved(base[k]) for k in shared)} | {len(shared)} |",
            )
        )
    return lines + [line for _, line in sorted(entries)]


def _seconds(row: dict[str, Any]) -> float:
    return float(row["cpu"]) + _FLOOR


def _solved(row: dict[str, Any]) -> bool:
    return row["solved"] == "1"
