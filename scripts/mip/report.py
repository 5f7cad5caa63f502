"""Page, checks, CSV and performance profile of the solver benchmark's rows."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import gmean

from scripts import study
from scripts.mip import profile
from sparsectl.files import csv_text, write_atomic

FLOOR = 1e-3
"""Times below this count as this [s]."""
FAITHFUL = 1e-6
"""Largest relative difference accepted between claimed and exact cost."""
SOON = 0.15
"""Control period that plans are also judged at [s]; traces keep the point before it."""
OWN = ("ours", "scip", "highs", "interval")
Rows = list[dict[str, Any]]


def write(rows: Rows, path: Path) -> int:
    """Write `<path>.md`, `.csv` and `.png`, and print the page. Returns 1 after a violation.

    A violation is a claimed cost that is not the exact rollout's, or a bound above a plan that
    any method found; those of our own methods count, those of the peers are only reported.
    """
    if not rows:
        print("no results yet")
        return 0
    methods = list(dict.fromkeys(r["method"] for r in rows))
    best, clock = best_costs(rows), rows[0]["clock"]
    wrong = violations(rows, best)
    parts: list[str | list[str]] = [
        "# Exact planners",
        "Again: `python -m scripts.mip.bench --report-only`. Rows: `mip.jsonl`, `mip.csv`.",
        f"Geometric mean of {clock} seconds to a gap of {rows[0]['target_gap']:g} "
        "(solved/run); ≥: some were cut at their limit.",
        _cells(rows, [m for m in methods if m != "cem"]),
    ]
    for reference in ("ours", "scip"):
        if reference in methods:
            parts += [
                f"Time against `{reference}`: geometric mean over the instances that either solves "
                "(≥, ≤: some of the method's, of the reference's runs were cut).",
                _pairs(rows, reference, methods),
            ]
    parts += ["Plans against the best known of any method (exact rollout).",
              _quality(rows, best, methods), [f"VIOLATION {text}" for text in wrong]]  # fmt: skip
    print(study.page(path.with_suffix(".md"), *parts).read_text())
    write_atomic(path.with_suffix(".csv"), _csv(rows, best))
    profile.profile(rows, path.with_suffix(".png"))
    return 1 if any(text.split()[0] in OWN for text in wrong) else 0


def seconds(row: dict[str, Any], key: str | None = None) -> float:
    """Time of a row in its clock; what was spent, at most the limit, where it did not end well."""
    spent = max(row[row["clock"]], FLOOR)
    if key is not None and row[key] is not None:
        return min(max(row[key], FLOOR), row["limit"])
    return spent if row["solved"] and key is None else min(spent, row["limit"])


def best_costs(rows: Rows) -> dict[str, float]:
    """Cost of the best plan that any method found, by exact rollout, for every instance."""
    best: dict[str, float] = defaultdict(lambda: np.inf)
    for row in rows:
        if row["violation"] <= 1e-6:
            best[row["instance"]] = min(best[row["instance"]], row["cost"])
    return best


def violations(rows: Rows, best: dict[str, float]) -> list[str]:
    """What must not happen, one text each; they start with the method."""
    texts = []
    for row in rows:
        who, least = f"{row['method']} on {row['instance']}", best[row["instance"]]
        if row["error"] > FAITHFUL:
            texts.append(
                f"{who}: claimed {row['claimed']:.9g}, exact rollout {row['cost']:.9g} "
                f"({row['error']:.1e})"
            )
        if row["infeasible"] and np.isfinite(least):
            texts.append(f"{who}: called infeasible, a plan costs {least:.9g}")
        if row["violation"] > 1e-6:
            texts.append(f"{who}: plan leaves the workspace by {row['violation']:.1e}")
        if row["bound"] is not None and row["bound"] > least + 1e-6 * (1 + abs(least)):
            excess = (row["bound"] - least) / max(abs(least), 1e-9)
            texts.append(
                f"{who}: bound {row['bound']:.9g} above a plan of {least:.9g} ({excess:.1e})"
            )
        if "Error" in row["message"] or "died" in row["message"] or "killed" in row["message"]:
            texts.append(f"{who}: {row['message'][:120]}")
    return texts


def _show(group: Rows, key: str | None = None) -> str:
    if not group:
        return "-"
    mean = gmean([seconds(r, key) for r in group])
    ends = [r["solved"] if key is None else r[key] is not None for r in group]
    mark = "" if all(ends) else "≥"
    return f"{mark}{mean:.3g} ({sum(ends)}/{len(ends)})"


_order = itemgetter("kind", "relus", "horizon", "instance")


def _cells(rows: Rows, methods: list[str]) -> list[str]:
    cells: dict[str, Rows] = defaultdict(list)
    for row in sorted(rows, key=_order):
        cells[row["instance"].rsplit(" ", 1)[0]].append(row)
    every = [[r for r in rows if r["method"] == m] for m in methods]
    lines = [
        [cell, *(_show([r for r in group if r["method"] == m]) for m in methods)]
        for cell, group in cells.items()
    ]
    lines.append(["all run", *map(_show, every)])
    lines.append(["all run, to 1 %", *(_show(g, "one_percent") for g in every)])
    return study.table(["cell", *methods], lines)


def _pairs(rows: Rows, reference: str, methods: list[str]) -> list[str]:
    """Time of every method over the reference's, on instances run by both and solved by either."""
    own, lines = {r["instance"]: r for r in rows if r["method"] == reference}, []
    for method in methods:
        if method in (reference, "cem"):
            continue
        pairs = [(r, own[r["instance"]]) for r in rows
                 if r["method"] == method and r["instance"] in own]  # fmt: skip
        pairs = [(r, o) for r, o in pairs if r["solved"] or o["solved"]]
        if not pairs:
            continue
        ratio = gmean([seconds(r) / seconds(o) for r, o in pairs])
        mark = "" if all(r["solved"] for r, _ in pairs) else "≥"
        if not all(o["solved"] for _, o in pairs):
            mark = "≤" if mark == "" else "≈"
        solved = [sum(r["solved"] for r, _ in pairs), sum(o["solved"] for _, o in pairs)]
        lines.append([method, len(pairs), f"{mark}{ratio:.2f}", *solved])
    heads = ["method", "instances", "ratio", "solved", f"solved by {reference}"]
    return study.table(heads, lines)


def _quality(rows: Rows, best: dict[str, float], methods: list[str]) -> list[str]:
    """How good plans are, proved or not, at the end and shortly after the start."""
    lines = []
    for method in methods:
        group = [r for r in rows if r["method"] == method and np.isfinite(best[r["instance"]])]
        if group:
            excess = [_excess(r["cost"], best[r["instance"]]) for r in group]
            soon = [_excess(_cost_at(r, SOON), best[r["instance"]]) for r in group]
            error = f"{max(r['error'] for r in group):.1e}"
            lines.append([method, len(group), *_shares(excess, soon), error])
    own = {r["instance"]: seconds(r) for r in rows if r["method"] == "ours"}
    both = [r for r in rows if r["method"] == "cem" and r["instance"] in own]
    if both:
        equal = [_excess(_cost_at(r, own[r["instance"]]), best[r["instance"]]) for r in both]
        row = _shares(equal, equal)
        lines.append(["cem, ours' time (≤ 2 s)", len(both), row[0], "", *row[2:], ""])
    heads = ["method", "runs", "within 2 %", f"within 2 % in {SOON:g} s", "median excess"]
    return study.table([*heads, "worst excess", "worst claim error"], lines)


def _excess(cost: float, best: float) -> float:
    return cost / max(best, 1e-9) - 1 if np.isfinite(best) else 0.0


def _shares(excess: list[float], soon: list[float]) -> list[str]:
    near = [f"{np.mean([e <= 0.02 for e in values]):.0%}" for values in (excess, soon)]
    return [*near, f"{np.median(excess):.2%}", f"{np.max(excess):.2%}"]


def _cost_at(row: dict[str, Any], at: float) -> float:
    """Cost of the incumbent at a time, by the trace."""
    return min((p[1] for p in row["trace"] if p[0] <= at and p[1] is not None), default=np.inf)


_COLUMNS = (
    "instance", "method", "limit", "clock", "cpu", "wall", "solved", "one_percent", "cost",
    "claimed", "bound", "gap", "error", "violation", "nodes", "binaries", "build_seconds",
    "fingerprint", "version", "load", "message",
)  # fmt: skip


def _csv(rows: Rows, best: dict[str, float]) -> str:
    ordered = sorted(rows, key=lambda r: (*_order(r), r["method"]))
    return csv_text(
        [{c: r[c] for c in _COLUMNS} | {"best_known": best[r["instance"]]} for r in ordered]
    )
