"""Table of the sorting runs: solved episodes and strokes, from the episodes that they played.

python -m scripts.closed_loop.sort_table sort4 sort6_from4 sort8
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from scripts.study import RESULTS, RUNS
from sparsectl.evaluate import results
from sparsectl.files import write_atomic


def main(argv: list[str] | None = None) -> int:
    """Write one row an episode, print one line a run and controller."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+", help="runs with a comparison")
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--out", type=Path, default=RESULTS / "sort_graph.csv")
    options = parser.parse_args(argv)
    found = [row for name in options.names for row in _rows(name, options.runs / name / "compare")]
    text = io.StringIO()
    table = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(found)
    write_atomic(options.out, text.getvalue())
    for (run, controller), group in groupby(found, lambda r: (r["run"], r["controller"])):
        rows = list(group)
        solved, strokes = (sum(r[k] for r in rows) for k in ("success", "strokes"))
        print(f"{run} {controller}: {solved}/{len(rows)} solved, {strokes / len(rows):.1f} strokes")
    return 0


def _rows(name: str, folder: Path) -> list[dict[str, Any]]:
    played = results.read(folder)
    rows = [
        {
            "run": name,
            "discs": played.settings["env"]["kwargs"]["discs"],
            "controller": row["controller"],
            "seed": row["seed"],
            "success": int(row["success"]),
            "strokes": row["steps"],
            "after_stall": sum(n for k, n in row["sources"].items() if "noise" in k),
            "error_mm": round(1e3 * row["final_error"], 2),
            "seconds_p50": round(sorted(row["seconds"])[len(row["seconds"]) // 2], 3),
            "load": row["load"],
        }
        for row in played.rows
        if row["outcome"] != "error"
    ]
    return sorted(rows, key=lambda row: (row["controller"], row["seed"]))


if __name__ == "__main__":
    sys.exit(main())
