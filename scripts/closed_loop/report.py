"""Report of the closed-loop study: verdict a task, tables, and the figure."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from scripts.closed_loop import runs
from scripts.closed_loop.table import Row, best, is_dense, is_mip, lower_is_better
from sparsectl.files import write_atomic
from sparsectl.report import text
from sparsectl.report.style import STYLE, looks

COMMAND = "python -m scripts.closed_loop.study --report-only"
_COLUMNS = 4
_LATE = 1.1
_LOOKS = looks({k: k for k in ("mip", "gradient", "mppi", "cem", "two_models")})
_LINES = {"mip": "MIP, sparse model", "gradient": "gradient, sparse model"}


def write(rows: list[Row], path: Path) -> None:
    """Write the report and the figure beside the table."""
    write_atomic(path.with_suffix(".md"), markdown(rows, path.name))
    write_atomic(path.with_suffix(".png"), figure(rows))


def markdown(rows: list[Row], table: str) -> str:
    """The report as Markdown."""
    verdicts = {case: verdict(_of(rows, *case)) for case in cases(rows)}
    known = [v for v in verdicts.values() if v is not None]
    good, clear = sum(v[0] for v in known), sum(v[0] and v[1] for v in known)
    lost = sum(v[1] and not v[0] for v in known)
    parts = [
        "# Closed loop at equal time per decision",
        "",
        "Interquartile mean [95 % bootstrap interval] of the final error, of the length where an",
        "episode ends with success (the longest one without it), or of the return where an",
        "environment tells no error, over paired episodes. **Best**: of the planners based on",
        "mixed-integer programming (on a sparse model, or on both models) and of the planners on",
        "the dense model (samplers, gradient), by that mean; more candidates stand on the first",
        "side, and a best of many is chosen with some luck. *Clear*: the intervals do not",
        "overlap. Starts differ more than planners do, so two further columns compare with the",
        "best planner on the dense model by pairs of episodes of the same start. *Difference* of",
        "the interquartile means [95 %, drawn as pairs]; *paired*: it leaves out 0. *Closer*: how",
        f"often an episode ends better. All numbers: `{table}`. Again: `{COMMAND}`.",
        "",
        f"Of {len(known)} pairs of task and budget, the MIP-based side is at least as good in "
        f"{good} (clearly better in {clear}) and clearly behind in {lost}.",
        "",
        "| task | budget | MIP-based | dense model | difference | closer | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, found in verdicts.items():
        if found is not None:
            at_least, is_clear, ours, theirs = found
            judged = "at least as good" if at_least else "behind"
            judged += ", clear" if is_clear else ", paired" if _is_paired(ours) else ""
            parts.append(
                f"| {case[0]}{_unit(ours)} | {case[1]:g} s | {_who(ours)}: {_value(ours)} "
                f"| {_who(theirs)}: {_value(theirs)} | {_value(ours, 'difference_')} "
                f"| {_closer(ours)} | {judged} |"
            )
    parts += _slow(rows)
    for case in cases(rows):
        parts += ["", f"## {case[0]}, {case[1]:g} s", "", *_table(_of(rows, *case))]
    return "\n".join(parts) + "\n"


def _slow(rows: list[Row]) -> list[str]:
    """Who did not keep to the time, so that the comparison is not one at equal time."""
    late = [r for r in rows if (r["seconds_p95"] or 0.0) > _LATE * r["budget"]]
    if not late:
        return []
    names = (
        f"{r['task']} {r['budget']:g} s {_who(r)} ({text.milliseconds(r['seconds_p95'])} ms)"
        for r in late
    )
    return ["", f"Not at equal time (p95 above {_LATE:g} times the budget): {'; '.join(names)}."]


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


def _table(rows: list[Row]) -> list[str]:
    measure = f"{rows[0]['measure']}{_unit(rows[0])}"
    lines = [
        f"| model | controller | episodes | {measure} | success | difference "
        "| closer | p50 / p95 / p99 [ms] | late | fallbacks | proved | median gap |",
        "|---|---|---" + "|---:" * 9 + "|",
    ]
    for r in sorted(rows, key=lambda r: (not is_dense(r), r["kind"] != "two_models", -r["relus"])):
        failed = f" ({r['failed']:.0f} failed)" if r["failed"] else ""
        times = " / ".join(text.milliseconds(r[f"seconds_{p}"]) for p in ("p50", "p95", "p99"))
        lines.append(
            f"| {r['model']} | {r['controller']} | {r['episodes']:.0f}{failed} | {_value(r)} "
            f"| {_share(r, 'success')} | {_value(r, 'difference_')} | {_closer(r)} | {times} "
            f"| {r['deadline_misses']:.0f} of {r['decisions']:.0f} | {r['fallbacks']:.0f} "
            f"| {text.percent(r['proved'])} | {text.percent(r['median_gap'])} |"
        )
    loads = [r["load"] for r in rows if r["load"] is not None]
    busy = ["", f"Load average per core up to {max(loads):.1f}."] if loads else []
    return lines + (busy if loads and max(loads) > 1.2 else [])


def _who(row: Row) -> str:
    return row["controller"] if row["model"] == "dense" else f"{row['controller']}, {row['model']}"


def _unit(row: Row) -> str:
    return f" [{row['unit']}]" if row["unit"] else ""


def _value(row: Row, of: str = "") -> str:
    names = (of.rstrip("_") or "value", f"{of}low", f"{of}high")
    if row[names[0]] is None:
        return text.DASH
    return "{} [{}, {}]".format(*(text.number(row[name]) for name in names))


def _is_paired(row: Row) -> bool:
    """Whether the paired difference to the dense model's best planner is not 0, surely."""
    low, high = row["difference_low"], row["difference_high"]
    return low is not None and (low > 0 or high < 0)


def _closer(row: Row) -> str:
    return _share(row, "closer")


def _share(row: Row, name: str) -> str:
    if row[name] is None:
        return text.DASH
    low, high = 100 * row[f"{name}_low"], 100 * row[f"{name}_high"]
    return f"{text.percent(row[name])} [{low:.0f}, {high:.0f}]"


def figure(rows: list[Row]) -> bytes:
    """One panel per task and budget: value against number of ReLUs, dense planners as bands."""
    import matplotlib
    from matplotlib.figure import Figure

    every = cases(rows)
    tasks = list(dict.fromkeys(task for task, _ in every))
    budgets = sorted({budget for _, budget in every})
    columns = -(-len(tasks) // -(-len(tasks) // _COLUMNS))
    lines = -(-len(tasks) // columns) * len(budgets)
    with matplotlib.rc_context({**STYLE, "figure.facecolor": "white"}):
        canvas = Figure(
            figsize=(max(3.6 * columns, 6.0) + 0.6, 2.9 * lines + 1.4), layout="constrained"
        )
        grid = canvas.subplots(lines, columns, squeeze=False)
        handles: dict[str, Any] = {}
        for axes in grid.flat:
            axes.axis("off")
        for i, task in enumerate(tasks):
            for j, budget in enumerate(budgets):
                axes = grid[(i // columns) * len(budgets) + j, i % columns]
                if (task, budget) in every:
                    axes.axis("on")
                    _panel(axes, _of(rows, task, budget), handles)
                    axes.set_title(f"{task}, {budget:g} s", loc="left")
        canvas.legend(
            handles.values(), handles, loc="outside upper center", fontsize=11,
            ncols=max(2, min(len(handles), 3 * columns // 2)),
        )  # fmt: skip
        canvas.supxlabel(
            f"ReLUs of the sparse model; time per decision above\n{COMMAND}", fontsize=10
        )
        buffer = io.BytesIO()
        canvas.savefig(buffer, dpi=130, format="png")
    return buffer.getvalue()


def _panel(axes: Any, rows: list[Row], handles: dict[str, Any]) -> None:
    rows = [r for r in rows if r["value"] is not None]
    counts = sorted({r["relus"] for r in rows if not is_dense(r)})
    place = {n: i for i, n in enumerate(counts)}
    for r in filter(is_dense, rows):
        look = _look(r["kind"])
        axes.axhspan(r["low"], r["high"], color=look.light, alpha=0.10, linewidth=0)
        line = axes.axhline(r["value"], color=look.light, linestyle=(0, (5, 2)), linewidth=1.3)
        handles.setdefault(f"{r['controller']}, dense model", line)
    for kind, label in _LINES.items():
        for name in dict.fromkeys(r["controller"] for r in rows if r["kind"] == kind):
            mine = [r for r in rows if r["controller"] == name and r["model"] != "dense"]
            mine.sort(key=lambda r: r["relus"])
            title = label if name == kind else f"{name}, sparse model"
            handle = _marks(axes, mine, place, _look(kind), -0.06 if kind == "mip" else 0.06, "-")
            handles.setdefault(title, handle)
    both = sorted((r for r in rows if r["kind"] == "two_models"), key=lambda r: r["relus"])
    if both:
        handles.setdefault(
            "two models", _marks(axes, both, place, _look("two_models"), 0.18, "none")
        )
    axes.set_xticks(range(len(counts)), [f"{n:.0f}" for n in counts])
    axes.set_xlim(-0.5, max(len(counts), 1) - 0.5)
    axes.grid(axis="x", visible=False)
    if rows and lower_is_better(rows[0]):
        axes.set_ylim(bottom=0)
    if rows:
        axes.set_ylabel(f"{rows[0]['measure']}{_unit(rows[0])}")


def _marks(
    axes: Any, rows: list[Row], place: dict[float, int], look: Any, shift: float, line: str
) -> Any:
    if not rows:
        return axes.plot([], [], color=look.light, marker=look.marker)[0]
    x = [place[r["relus"]] + shift for r in rows]
    spread = [
        [max(r["value"] - r["low"], 0) for r in rows],
        [max(r["high"] - r["value"], 0) for r in rows],
    ]
    size = 9 if line == "none" else 5
    return axes.errorbar(
        x, [r["value"] for r in rows], yerr=spread, color=look.light, marker=look.marker,
        linestyle=line, markersize=size, linewidth=1.7, elinewidth=1.2, capsize=2, zorder=3,
    )  # fmt: skip


def _look(kind: str) -> Any:
    return _LOOKS[kind]
