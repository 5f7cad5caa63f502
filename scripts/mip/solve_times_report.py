"""Report of the solve-time study: table by task, number of ReLUs and horizon."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts import study
from scripts.study import Row
from sparsectl.files import csv_text, write_atomic
from sparsectl.report import text

COMMAND = "python -m scripts.mip.solve_times --report-only"
TIMES = {"seconds_coarse": "1 %", "seconds_fine": "0.1 %"}


def write(rows: list[Row], path: Path) -> None:
    """Write table and page beside the rows."""
    lines = table(rows)
    shown = [{k: f"{v:.4g}" if isinstance(v, float) else v for k, v in r.items()} for r in lines]
    write_atomic(path.with_suffix(".csv"), csv_text(shown))
    study.page(path.with_suffix(".md"), *markdown(lines, rows))


def table(rows: list[Row]) -> list[Row]:
    """One line per task, model and horizon; times and gaps are medians over the states.

    A problem that was not solved counts as infinitely long, an unknown gap as infinite: a median
    of infinity means that at most half of the problems were solved within the limit.
    """
    groups = study.groups(rows, "task", "relus", "model", "horizon")
    lines = []
    for (task, relus, model, horizon), group in sorted(groups.items()):
        line: Row = {"task": task, "model": model, "relus": relus, "horizon": horizon}
        line |= {k: _median(group, k) for k in ("program", "binaries")}
        line |= {k: group[-1][k] for k in ("directions", "modes", "modes_complete")}
        line |= {"config_horizon": group[-1]["config_horizon"], "states": len(group)}
        line |= {"limit": min(r["limit"] for r in group)}
        for name in TIMES:
            solved = [r[name] for r in group if r[name] is not None]
            line[f"solved_{name[8:]}"] = len(solved)
            line[name] = _median(group, name, np.inf)
            line[f"{name}_max"] = max(solved) if len(solved) == len(group) else np.inf
        for deadline in _deadlines(rows):
            gaps = [_infinite(r["gaps"].get(deadline), r) for r in group]
            line[f"gap_{deadline}"] = float(np.median(gaps))
        lines.append(line)
    return lines


def _infinite(gap: float | None, row: Row) -> float:
    if gap is None:
        return 0.0 if row["infeasible"] else np.inf
    return gap


def _median(group: list[Row], name: str, missing: float = 0.0) -> float:
    """The upper median: a solved and an unsolved problem have that of the unsolved one."""
    values = [missing if r[name] is None else r[name] for r in group]
    return float(np.quantile(values, 0.5, method="higher"))


def _deadlines(rows: list[Row]) -> list[str]:
    """Deadlines that every row has, shortest first."""
    shared = set.intersection(*(set(r["gaps"]) for r in rows))
    return sorted(shared, key=float)


def markdown(lines: list[Row], rows: list[Row]) -> list[str | list[str]]:
    """Parts of the page."""
    deadlines = _deadlines(rows)
    loads = [r["load"] for r in rows if r.get("load") is not None]
    clock = "CPU" if rows[0]["clock"] == "cpu" else "wall-clock"
    load = f" Load average of the machine: up to {max(loads):.1f}." if loads else ""
    parts: list[str | list[str]] = [
        "# Solve time and proven gap",
        "Medians over states visited in closed loop; every problem solved alone on one thread with "
        f"rising deadlines until proved. Times are {clock} seconds of a planner without its "
        "imports; `> limit`: at most half of the problems were proved in the time; solved: "
        "problems proved to 1 % / to 0.1 %. Gap: relative, as proved by a planner that was given "
        "the deadline. Modes: activation patterns reached from the first evaluation start, "
        "summed over the horizon of the task's config (its `family.csv`; ≥: not all were found). "
        "Binaries: neurons that may be on or off, over the horizon. "
        f"Again: `{COMMAND}`.{load}",
    ]
    heads = ["ReLUs", "modes", "H", "binaries", "to 1 % [s]", "to 0.1 % [s]", "solved"]
    heads += [f"gap after {d} s" for d in deadlines]
    for (task,), mine in study.groups(lines, "task").items():
        cells = [
            [f"{r['relus']}{' (dense)' if r['model'] == 'dense' else ''}", modes(r), r["horizon"],
             f"{r['binaries']:.0f}", *(_seconds(r[name], r["limit"]) for name in TIMES),
             f"{r['solved_coarse']} / {r['solved_fine']} of {r['states']}",
             *(_gap(r[f"gap_{d}"]) for d in deadlines)]
            for r in mine
        ]  # fmt: skip
        title = f"## {task} (modes over {mine[0]['config_horizon']} steps)"
        parts += [title, study.table(heads, cells, words=0)]
    return parts


def modes(line: Row) -> str:
    """Reachable modes of the member, as its family says."""
    if line["modes"] is None:
        return text.DASH
    return f"{'' if line['modes_complete'] else '≥ '}{line['modes']:.0f}"


def _seconds(seconds: float, limit: float) -> str:
    return text.number(seconds, 2) if np.isfinite(seconds) else f"> {limit:g}"


def _gap(gap: float) -> str:
    if not np.isfinite(gap):
        return "none"
    return "< 0.1 %" if gap <= 1e-3 else text.percent(gap)
