"""Report of the solve-time study: table by task, number of ReLUs and horizon, and the figure."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl.files import write_atomic
from sparsectl.report import text
from sparsectl.report.style import STYLE

COMMAND = "python -m scripts.mip.solve_times --report-only"
TIMES = {"seconds_coarse": "1 %", "seconds_fine": "0.1 %"}
_COLOURS = ("#0068b3", "#008f68", "#d65a00", "#b04a8c", "#5b50b8", "#77797c")
_MARKERS = ("o", "s", "^", "D", "v", "X")
_LEAST = 1e-4
"""Gaps below this are drawn here: on a logarithmic axis there is no zero."""
Row = dict[str, Any]


def write(rows: list[Row], path: Path) -> None:
    """Write table, report and figure beside the rows."""
    lines = table(rows)
    write_atomic(path.with_suffix(".csv"), _csv(lines))
    write_atomic(path.with_suffix(".md"), markdown(lines, rows))
    write_atomic(path.with_suffix(".png"), figure(lines))


def table(rows: list[Row]) -> list[Row]:
    """One line per task, model and horizon; times and gaps are medians over the states.

    A problem that was not solved counts as infinitely long, an unknown gap as infinite: a median
    of infinity means that at most half of the problems were solved within the limit.
    """
    groups: dict[tuple, list[Row]] = {}
    for r in rows:
        groups.setdefault((r["task"], r["relus"], r["model"], r["horizon"]), []).append(r)
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


def markdown(lines: list[Row], rows: list[Row]) -> str:
    """The report as Markdown."""
    deadlines = _deadlines(rows)
    loads = [r["load"] for r in rows if r.get("load") is not None]
    clock = "CPU" if rows[0]["clock"] == "cpu" else "wall-clock"
    parts = [
        "# Solve time and proven gap",
        "",
        "Medians over states visited in closed loop; every problem solved alone on one thread with",
        f"rising deadlines until proved. Times are {clock} seconds of a planner without its",
        "imports; `> limit`: at most half of the problems were proved in the time; solved:",
        "problems proved to 1 % / to 0.1 %. Gap: relative, as proved by a planner that was given",
        "the deadline. Modes: activation patterns reached from the first evaluation start,",
        "summed over the horizon of the task's config (its `family.csv`; ≥: not all were found).",
        f"Binaries: neurons that may be on or off, over the horizon. Again: `{COMMAND}`.",
        *([f"Load average of the machine: up to {max(loads):.1f}."] if loads else []),
    ]
    for task in dict.fromkeys(line["task"] for line in lines):
        mine = [line for line in lines if line["task"] == task]
        title = f"## {task} (modes over {mine[0]['config_horizon']} steps)"
        heads = ["ReLUs", "modes", "H", "binaries", "to 1 % [s]", "to 0.1 % [s]", "solved"]
        heads += [f"gap after {d} s" for d in deadlines]
        parts += ["", title, "", f"| {' | '.join(heads)} |", "|---:" * len(heads) + "|"]
        for line in mine:
            solved = f"{line['solved_coarse']} / {line['solved_fine']} of {line['states']}"
            cells = [_name(line), modes(line), str(line["horizon"]), f"{line['binaries']:.0f}"]
            cells += [_seconds(line[name], line["limit"]) for name in TIMES] + [solved]
            cells += [_gap(line[f"gap_{d}"]) for d in deadlines]
            parts.append(f"| {' | '.join(cells)} |")
    return "\n".join(parts) + "\n"


def modes(line: Row) -> str:
    """Reachable modes of the member, as its family says."""
    if line["modes"] is None:
        return text.DASH
    return f"{'' if line['modes_complete'] else '≥ '}{line['modes']:.0f}"


def _name(line: Row) -> str:
    return f"{line['relus']}{' (dense)' if line['model'] == 'dense' else ''}"


def _seconds(seconds: float, limit: float) -> str:
    return text.number(seconds, 2) if np.isfinite(seconds) else f"> {limit:g}"


def _gap(gap: float) -> str:
    if not np.isfinite(gap):
        return "none"
    return "< 0.1 %" if gap <= 1e-3 else text.percent(gap)


def figure(lines: list[Row]) -> bytes:
    """A row of panels per task: times to two gaps, and the gap after every deadline."""
    import matplotlib
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys(line["task"] for line in lines))
    gaps = sorted((k for k in lines[0] if k.startswith("gap_")), key=lambda k: float(k[4:]))[:3]
    names = [*TIMES, *gaps]
    horizons = sorted({line["horizon"] for line in lines})
    with matplotlib.rc_context({**STYLE, "figure.facecolor": "white"}):
        canvas = Figure(
            figsize=(3.3 * len(names) + 0.8, 3.1 * len(tasks) + 0.9), layout="constrained"
        )
        grid = canvas.subplots(len(tasks), len(names), squeeze=False)
        for task, panels in zip(tasks, grid, strict=True):
            mine = [line for line in lines if line["task"] == task]
            for name, axes in zip(names, panels, strict=True):
                _panel(axes, mine, name, horizons)
            for same in (panels[: len(TIMES)], panels[len(TIMES) :]):
                limits = np.array([axes.get_ylim() for axes in same])
                for axes in same:
                    axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
            panels[0].set_ylabel(f"{task}\n\nmedian time [s]")
            panels[len(TIMES)].set_ylabel("median proven gap [%]")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside upper center", ncols=len(horizons))
        canvas.supxlabel(f"ReLUs (reachable modes below; hollow: not proved)\n{COMMAND}",
                         fontsize=10)  # fmt: skip
        buffer = io.BytesIO()
        canvas.savefig(buffer, dpi=130, format="png")
    return buffer.getvalue()


def _panel(axes: Any, lines: list[Row], name: str, horizons: list[int]) -> None:
    members = {line["model"]: line for line in lines}
    place = {model: i for i, model in enumerate(members)}
    limit = max(line["limit"] for line in lines)
    is_time = name in TIMES
    ceiling = limit if is_time else 1e3
    for i, horizon in enumerate(horizons):
        mine = [line for line in lines if line["horizon"] == horizon]
        x = [place[line["model"]] for line in mine]
        raw = [line[name] for line in mine]
        y = [v if is_time else 100 * max(v, _LEAST) for v in raw]
        shown = [min(v, ceiling) for v in y]
        colour, marker = _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]
        axes.plot(x, shown, color=colour, marker=marker, label=f"H = {horizon}", markersize=5)
        cut = [(a, b) for a, b, v in zip(x, shown, y, strict=True) if v > ceiling]
        if cut:
            axes.plot(*zip(*cut, strict=True), marker, color=colour, markerfacecolor="white",
                      markersize=6)  # fmt: skip
    if is_time:
        axes.axhline(limit, color="0.5", linewidth=1, linestyle=(0, (4, 3)))
    else:
        axes.axhline(1.0, color="0.5", linewidth=1, linestyle=(0, (4, 3)))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    title = f"time to {TIMES[name]}" if is_time else f"gap after {name[4:]} s"
    axes.set_title(title, loc="left")
    labels = [
        f"{line['relus']}\n{'dense' if m == 'dense' else modes(line)}"
        for m, line in members.items()
    ]
    axes.set_xticks(range(len(members)), labels, fontsize=9)
    axes.grid(axis="x", visible=False)


def _csv(lines: list[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    for line in lines:
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in line.items()}
        writer.writerow(shown)
    return buffer.getvalue()
