"""Table of the sorting runs: solved episodes and strokes, from the episodes that they played.

python -m scripts.closed_loop.sort_table --names sort4 sort6_from4 sort8
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from scripts import study
from scripts.study import RESULTS, RUNS, Row
from sparsectl.evaluate import results
from sparsectl.files import csv_text, write_atomic


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    names: tuple[str, ...]
    """Runs with a comparison."""
    runs: Path = RUNS
    out: Path = RESULTS / "sort_graph.csv"


def main(argv: list[str] | None = None) -> int:
    """Write one row an episode, print one line a run and controller."""
    options = study.parse(Options, __doc__, argv)
    found = [row for name in options.names for row in _rows(name, options.runs / name / "compare")]
    write_atomic(options.out, csv_text(found))
    for (run, controller), rows in study.groups(found, "run", "controller").items():
        solved, strokes = (sum(r[k] for r in rows) for k in ("success", "strokes"))
        print(f"{run} {controller}: {solved}/{len(rows)} solved, {strokes / len(rows):.1f} strokes")
    return 0


def _rows(name: str, folder: Path) -> list[Row]:
    played = results.read(folder)
    rows = [
        {
            "run": name, "discs": played.settings["env"]["kwargs"]["discs"],
            "controller": row["controller"], "seed": row["seed"],
            "success": int(row["success"]), "strokes": row["steps"],
            "after_stall": sum(n for k, n in row["sources"].items() if "noise" in k),
            "error_mm": round(1e3 * row["final_error"], 2),
            "seconds_p50": round(sorted(row["seconds"])[len(row["seconds"]) // 2], 3),
            "load": row["load"],
        }
        for row in played.rows if row["outcome"] != "error"
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row["controller"], row["seed"]))


if __name__ == "__main__":
    sys.exit(main())
