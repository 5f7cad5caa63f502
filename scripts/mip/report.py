"""Page, checks, CSV and performance profile of the solver benchmark's rows."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import gmean

from scripts import study
from scripts.mip import instances, profile
from sparsectl.files import csv_text, write_atomic

FLOOR = 1e-3
"""Times below this count as this [s]."""
FAITHFUL = 1e-6
"""Largest relative difference accepted between claimed and exact cost."""
NOISE = 0.05
"""Added to both times where engines are compared [s]: below it a ratio is noise."""
SOON = 0.15
"""Control period that plans are also judged at [s]; traces keep the point before it."""
OWN = ("ours", "moved_on", "scip", "highs", "hull", "boxes", "shrunk", "interval")
Row = dict[str, Any]
Rows = list[Row]


def write(rows: Rows, path: Path) -> int:
    """Write `<path>.md`, `.csv` and `.png`, and print the page. Returns 1 after a violation.

    A violation is a claimed cost that is not the exact rollout's, or a bound above a plan that
    any method found; those of our own methods count, those of the peers are only reported.
    """
    if not rows:
        print("no results yet")
        return 0
    methods, every = list(dict.fromkeys(r["method"] for r in rows)), rows
    best, clock = best_costs(rows), rows[0]["clock"]
    wrong, rows = violations(rows, best), [r for r in rows if not r["refused"]]
    parts: list[str | list[str]] = [
        "# Exact planners",
        f"Again: `python -m scripts.mip.bench --report-only`. Rows: `{path.name}`, "
        f"`{path.with_suffix('.csv').name}`. {_about(rows)}",
        f"Geometric mean of {clock} seconds to a gap of {rows[0]['target_gap']:g} "
        "(solved/run); ≥: some were cut at their limit.",
        _cells(every, [m for m in methods if m != "cem"]),
    ]
    if "ours" in methods:
        parts += [
            "How many times as long as `ours`: geometric mean over the instances that either "
            "solves, and the least, where `ours` does worst; times below "
            f"{FLOOR:g} s count as that. ≥, ≤: runs of the method, of `ours` were cut at the "
            "limit. What a method cannot take is not counted (`refused`).",
            _pairs(every, methods),
        ]
        parts += _regret(rows)
    parts += ["Plans against the best known of any method (exact rollout).",
              _quality(rows, best, methods), _told(wrong)]  # fmt: skip
    print(study.page(path.with_suffix(".md"), *parts).read_text())
    write_atomic(path.with_suffix(".csv"), _csv(rows, best))
    profile.profile(rows, path.with_suffix(".png"))
    return 1 if any(text.split()[0] in OWN for text in wrong) else 0


def _told(wrong: list[str]) -> list[str]:
    """All violations of ours; of every peer how many, and the first."""
    own = [f"VIOLATION {text}" for text in wrong if text.split()[0] in OWN]
    peers: dict[str, list[str]] = defaultdict(list)
    for text in wrong:
        if text.split()[0] not in OWN:
            peers[text.split()[0]].append(text)
    found = [f"Not kept by {who}, by its tolerances or by fault: {len(texts)}, such as: {texts[0]}."
             for who, texts in peers.items()]  # fmt: skip
    return [*own, *found]


def _about(rows: Rows) -> str:
    """Solvers as they are, their versions and settings, as their rows say it."""
    told = dict.fromkeys(r["solver"] for r in rows if r.get("solver"))
    return "; ".join(told) + "." if told else ""


def seconds(row: dict[str, Any], key: str | None = None) -> float:
    """Time of a row in its clock; the limit where it did not end well."""
    if key is not None and row[key] is not None:
        return min(max(row[key], FLOOR), row["limit"])
    return max(row[row["clock"]], FLOOR) if row["solved"] else row["limit"]


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
    taken = [r for r in group if not r["refused"]]
    if not taken:
        return "refused"
    group = taken
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


def _pairs(rows: Rows, methods: list[str]) -> list[str]:
    """Time of every method over ours, suite by suite, on what both ran and either solved."""
    own, lines = {r["instance"]: r for r in rows if r["method"] == "ours"}, []
    for method in (m for m in methods if m not in ("ours", "cem")):
        mine = [r for r in rows if r["method"] == method and r["instance"] in own]
        for name in (*dict.fromkeys(instances.suite(r["kind"]) for r in mine), "all"):
            group = [r for r in mine if name in ("all", instances.suite(r["kind"]))]
            taken = [(r, own[r["instance"]]) for r in group if not r["refused"]]
            cells = [c for key in ("one_percent", None) for c in _ratios(taken, key)]
            lines.append([method, name, *cells, sum(r["refused"] for r in group)])
    heads = [
        "method",
        "suite",
        "to 1 %: ratio",
        "least",
        "solved by it, by ours",
        "to the gap: ratio",
    ]
    return study.table([*heads, "least", "solved by it, by ours", "refused"], lines)


def _ratios(pairs: list[tuple[Row, Row]], key: str | None) -> list[str]:
    """Mean ratio, least ratio with its instance, and solved runs of both, of either solved."""
    ends = [(_ended(r, key), _ended(o, key)) for r, o in pairs]
    both = [(p, e) for p, e in zip(pairs, ends, strict=True) if any(e)]
    if not both:
        return ["-", "-", f"0, 0 of {len(pairs)}"]
    ratio = [seconds(r, key) / seconds(o, key) for (r, o), _ in both]
    cut, cut_ours = (any(not e[k] for _, e in both) for k in (0, 1))
    mark = {(False, False): "", (True, False): "≥", (False, True): "≤"}.get((cut, cut_ours), "≈")
    least = int(np.argmin(ratio))
    limit = "" if both[least][1][1] else "≤"
    worst = f"{limit}{ratio[least]:.2g} ({both[least][0][0]['instance']})"
    solved = [sum(e[k] for e in ends) for k in (0, 1)]
    return [f"{mark}{gmean(ratio):.2f}", worst, f"{solved[0]}, {solved[1]} of {len(pairs)}"]


def _ended(row: dict[str, Any], key: str | None) -> bool:
    return bool(row["solved"] if key is None else row[key] is not None)


ENGINES = ("scip", "highs", "hull", "boxes", "shrunk")
"""Engines that `ours` chooses from."""


def _regret(rows: Rows) -> list[str | list[str]]:
    """What the choice of the engine costs: time of `ours` over that of the best engine."""
    lines = []
    for key, title in (("one_percent", "1 %"), (None, f"{rows[0]['target_gap']:g}")):
        found: list[tuple[float, str]] = []
        for (name,), group in study.groups(rows, "instance").items():
            own = next((r for r in group if r["method"] == "ours"), None)
            rivals = [r for r in group if r["method"] in ENGINES and _ended(r, key)]
            if own is None or not rivals or len({r["method"] for r in group} & {*ENGINES}) < 2:
                continue
            best = min(rivals, key=lambda r: seconds(r, key))
            mark = "" if _ended(own, key) else "at least "
            ratio = (seconds(own, key) + NOISE) / (seconds(best, key) + NOISE)
            found.append((ratio, f"{mark}{ratio:.2g}: {name}, {best['method']}"))
        if found:
            found.sort(reverse=True)
            ratios = [f[0] for f in found]
            above = f"{sum(r > 2 for r in ratios)} of {len(ratios)}"
            worst = "; ".join(text for _, text in found[:3])
            lines.append([title, f"{gmean(ratios):.2f}", above, worst])
    if not lines:
        return []
    heads = ["to", "geometric mean", "above 2", "worst: instance, best engine"]
    return [
        f"The choice of engine: time of `ours` over the best of {', '.join(ENGINES)} in hindsight, "
        f"where one of them ends; {NOISE:g} s are added to both.",
        study.table(heads, lines),
    ]


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
    "fingerprint", "version", "load", "refused", "message",
)  # fmt: skip


def _csv(rows: Rows, best: dict[str, float]) -> str:
    ordered = sorted(rows, key=lambda r: (*_order(r), r["method"]))
    return csv_text(
        [{c: r[c] for c in _COLUMNS} | {"best_known": best[r["instance"]]} for r in ordered]
    )
