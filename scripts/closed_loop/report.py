"""Page of the closed-loop study: a verdict for each task, and tables."""

from __future__ import annotations

from pathlib import Path

from scripts import study
from scripts.closed_loop import runs
from scripts.closed_loop.table import best, is_dense, is_mip, lower_is_better
from scripts.study import Row
from sparsectl.report import text

COMMAND = "python -m scripts.closed_loop.study --report-only"
_LATE = 1.1


def write(rows: list[Row], path: Path) -> None:
    """Write the page beside the table."""
    study.page(path.with_suffix(".md"), *page(rows, path.name))


def page(rows: list[Row], table: str) -> list[str | list[str]]:
    """Parts of the page."""
    verdicts = {case: verdict(_of(rows, *case)) for case in cases(rows)}
    known = {case: found for case, found in verdicts.items() if found is not None}
    good, clear = (sum(v[0] for v in known.values()), sum(v[0] and v[1] for v in known.values()))
    lost, lines = sum(v[1] and not v[0] for v in known.values()), []
    for (task, budget), (at_least, is_clear, ours, theirs) in known.items():
        judged = "at least as good" if at_least else "behind"
        low, high = ours["difference_low"], ours["difference_high"]
        paired = low is not None and (low > 0 or high < 0)
        judged += ", clear" if is_clear else ", paired" if paired else ""
        lines.append([
            f"{task}{_unit(ours)}", f"{budget:g} s", f"{_who(ours)}: {_value(ours)}",
            f"{_who(theirs)}: {_value(theirs)}", _value(ours, "difference"),
            _share(ours, "closer"), judged,
        ])  # fmt: skip
    heads = ["task", "budget", "MIP-based", "dense model", "difference", "closer", "verdict"]
    return [
        "# Closed loop at equal time per decision",
        "Interquartile mean [95 % bootstrap interval] of the final error, of the length where an "
        "episode ends with success (the longest one without it), or of the return where an "
        "environment tells no error or the config compares by it, over paired episodes. "
        "**Best**: of the planners based on "
        "mixed-integer programming (on a sparse model, or on both models) and of the planners on "
        "the dense model (samplers, gradient), by that mean; more candidates stand on the first "
        "side, and a best of many is chosen with some luck. *Clear*: the intervals do not "
        "overlap. Starts differ more than planners do, so two further columns compare with the "
        "best planner on the dense model by pairs of episodes of the same start. *Difference* of "
        "the interquartile means [95 %, drawn as pairs]; *paired*: it leaves out 0. *Closer*: how "
        f"often an episode ends better. All numbers: `{table}`. Again: `{COMMAND}`.",
        f"Of {len(known)} pairs of task and budget, the MIP-based side is at least as good in "
        f"{good} (clearly better in {clear}) and clearly behind in {lost}.",
        study.table(heads, lines, words=7),
        *_slow(rows),
        *(part for case in cases(rows)
          for part in (f"## {case[0]}, {case[1]:g} s", *_table(_of(rows, *case)))),
    ]  # fmt: skip


def _slow(rows: list[Row]) -> list[str]:
    """Who did not keep to the time, so that the comparison is not one at equal time."""
    names = [
        f"{r['task']} {r['budget']:g} s {_who(r)} ({text.milliseconds(r['seconds_p95'])} ms)"
        for r in rows if (r["seconds_p95"] or 0.0) > _LATE * r["budget"]
    ]  # fmt: skip
    told = f"Not at equal time (p95 above {_LATE:g} times the budget): {'; '.join(names)}."
    return [told] if names else []


def verdict(rows: list[Row]) -> tuple[bool, bool, Row, Row] | None:
    """(at least as good, intervals apart, best MIP-based row, best dense row) of one case."""
    ours, theirs = best([r for r in rows if is_mip(r)]), best([r for r in rows if is_dense(r)])
    if ours is None or theirs is None:
        return None
    sign = 1 if lower_is_better(ours) else -1
    apart = ours["high"] < theirs["low"] or theirs["high"] < ours["low"]
    return sign * ours["value"] <= sign * theirs["value"], apart, ours, theirs


def cases(rows: list[Row]) -> list[tuple[str, float]]:
    """Pairs of task and budget, the study's tasks first."""
    order = {name: i for i, name in enumerate(runs.TASKS)}
    found = {(r["task"], r["budget"]) for r in rows}
    return sorted(found, key=lambda c: (order.get(c[0], len(order)), c))


def _of(rows: list[Row], task: str, budget: float) -> list[Row]:
    return [r for r in rows if (r["task"], r["budget"]) == (task, budget)]


def _table(rows: list[Row]) -> list[str | list[str]]:
    heads = ["model", "controller", "episodes", f"{rows[0]['measure']}{_unit(rows[0])}", "success"]
    heads += ["difference", "closer", "p50 / p95 / p99 [ms]", "late", "fallbacks", "proved"]
    lines = []
    for r in sorted(rows, key=lambda r: (not is_dense(r), r["kind"] != "two_models", -r["relus"])):
        failed = f" ({r['failed']:.0f} failed)" if r["failed"] else ""
        lines.append([
            r["model"], r["controller"], f"{r['episodes']:.0f}{failed}", _value(r),
            _share(r, "success"), _value(r, "difference"), _share(r, "closer"),
            " / ".join(text.milliseconds(r[f"seconds_{p}"]) for p in ("p50", "p95", "p99")),
            f"{r['deadline_misses']:.0f} of {r['decisions']:.0f}", f"{r['fallbacks']:.0f}",
            text.percent(r["proved"]), text.percent(r["median_gap"]),
        ])  # fmt: skip
    busiest = max((r["load"] for r in rows if r["load"] is not None), default=0.0)
    busy = [f"Load average per core up to {busiest:.1f}."] if busiest > 1.2 else []
    return [study.table([*heads, "median gap"], lines, words=3), *busy]


def _who(row: Row) -> str:
    return row["controller"] if row["model"] == "dense" else f"{row['controller']}, {row['model']}"


def _unit(row: Row) -> str:
    return f" [{row['unit']}]" if row["unit"] else ""


def _value(row: Row, name: str = "value") -> str:
    ends = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    if row[name] is None:
        return text.DASH
    return "{} [{}, {}]".format(*(text.number(row[k]) for k in (name, *ends)))


def _share(row: Row, name: str) -> str:
    if row[name] is None:
        return text.DASH
    low, high = 100 * row[f"{name}_low"], 100 * row[f"{name}_high"]
    return f"{text.percent(row[name])} [{low:.0f}, {high:.0f}]"
