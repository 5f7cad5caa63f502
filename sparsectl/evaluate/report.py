"""The report of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sparsectl.evaluate import model_errors, planned, plots, results
from sparsectl.evaluate import table as headline
from sparsectl.evaluate.regret import Regret
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.evaluate.verdict import verdict
from sparsectl.files import write_atomic
from sparsectl.report import page, text
from sparsectl.report.page import Clips, Page, Section, Table, Words
from sparsectl.report.style import looks
from sparsectl.report.table import Column, Line, measure, word


def write(folder: str | Path, *, path: str | Path | None = None) -> Path:
    """Write the report, the figures and the CSV files of a comparison.

    Args:
        path: of the report; None: `report.html` in `folder`.

    Raises:
        FileError: no comparison in `folder`, or nothing can be written there.
    """
    found = results.read(folder)
    headline.write_csv(found)
    target = Path(path) if path is not None else found.folder / "report.html"
    return write_atomic(target, render(found))


def render(found: Results) -> str:
    """The report as HTML text. Figures are also written as SVG files beside the rows."""
    lines, settings, styles = summarise(found), found.settings, looks(found.settings["kinds"])
    figures = ((n, text, draw(found)) for n, (draw, text) in plots.FIGURES.items())
    drawn = page.drawn(figures, found.folder / "figures", styles, wide=("courses",))
    clips = Clips(_clips(found))
    sections = [Section("Results", _results(found, lines))]
    if drawn.drawn:
        sections.append(Section("Figures", [drawn]))
    if clips.groups:
        sections.append(Section("Clips", [clips]))
    if found.planned:
        sections.append(Section("Planned cost at the same states", _planned(found)))
    if settings.get(model_errors.KEY):
        sections.append(Section("Errors of the models", _model_errors(found)))
    sections.append(Section("Episodes", _episodes(found)))
    names = ("env", "task", "horizon", "seed", "models", "controllers", "evaluate")
    used = yaml.safe_dump({n: settings[n] for n in names}, sort_keys=False, width=88)
    configuration = Words([used], "pre", folded="Configuration")
    command = [Words([settings["command"]], "pre")] if settings["command"] else []
    sections.append(Section("How this was made", [*command, configuration]))
    budget = settings["evaluate"]["budget"]
    limit = f"{1000 * budget:g} ms per decision" if budget else "no time limit"
    paired = "" if settings.get("unpaired") else "paired "
    subtitle = (
        f"{settings['env']['id']} · {settings['episodes']} {paired}episodes of at most "
        f"{settings['steps']} steps · horizon {settings['horizon']} · {limit}"
    )
    return page.render(
        Page(
            settings["title"],
            subtitle,
            sections,
            styles,
            settings["versions"],
            verdict(found, lines),
            _tiles(found, lines),
            settings["reference"],
        )
    )


def _results(found: Results, lines: list[dict[str, Any]]) -> list[page.Part]:
    reference = found.settings["reference"]
    table = Table(
        "summary",
        headline.columns(found, lines),
        lines,
        marked="controller",
        who=lambda line: line["controller"],
        style=lambda line: "strong" if line["controller"] == reference else "",
    )
    notes = []
    if not found.settings.get("unpaired"):
        notes.append("Episode i starts alike for every controller.")
    improved = _improvements(found, lines)
    if improved:
        notes.append(
            f"Probability that {reference} ends closer on the same episode, with 95 % interval: "
            f"{improved}."
        )
    return [table, Words([*notes, *headline.notes(found, lines)], "notes")]


def _clips(found: Results) -> list[dict[str, Any]]:
    """One group per recorded episode, with all who played it side by side, the reference first."""
    groups, reference = [], found.settings["reference"]
    for episode in found.numbers[: found.settings["evaluate"]["clips"]]:
        rows = [r for r in found.rows if r["episode"] == episode]
        rows.sort(key=lambda r: (r["controller"] != reference, found.models.index(r["model"])))
        if rows:
            title = f"Episode {episode}, the same start for all"
            groups.append({"title": title, "cards": [_card(found, row) for row in rows]})
    return groups


def _card(found: Results, row: Mapping[str, Any]) -> dict[str, Any]:
    error, evaluate = row.get("final_error"), found.settings["evaluate"]
    told = f"{row['model']}: " if len(found.models) > 1 else ""
    told += row["outcome"]
    if error is not None:
        told += f", {evaluate['error_label']} {text.number(error * evaluate['error_scale'])}"
    return {
        "name": row["controller"],
        "caption": told,
        "note": row.get("clip_note") or "no clip",
        "clip": page.picture(found.clip(row, "clip.webp")),
        "strip": page.picture(found.clip(row, "filmstrip.webp")),
    }


def _planned(found: Results) -> list[page.Part]:
    said = (
        "Every controller plans once from the same states with the same memory; the reference "
        "plans once more, starting from all the plans. “Above best” is how much a plan costs above "
        "the best of the reference's plans (median, 95th percentile, maximum over the states where "
        "that is not 0); “lower” counts the states at which a plan undercuts it; “gap” is the "
        "median proven one, “regret” the median of what any plan could cost less."
    )
    reference, regret = found.settings["reference"], Regret.of(found.settings)
    columns = [
        *([word("model", "model")] if len(found.models) > 1 else []),
        word("controller", "controller"),
        measure("states", "states", show=lambda v: f"{v}"),
        measure("mean cost", "mean_cost"),
        measure("above best", "above_median", show=text.percent),
        measure("p95", "above_p95", show=text.percent),
        measure("max", "above_max", show=text.percent),
        measure("lower", "better_than_reference", show=lambda v: f"{v}"),
        measure("infeasible", "infeasible", show=lambda v: f"{v}"),
        measure("gap", "gap_median", show=text.percent),
        measure(regret.heading, "regret_median"),
        measure("proved", "proved", show=text.percent),
    ]
    lines = planned.summarise(found.planned, regret)
    known = found.controllers

    def who(line: Line) -> str:
        return line["controller"] if line["controller"] in known else reference

    return [Words([said]), Table("planned", columns, lines, marked="controller", who=who)]


def _model_errors(found: Results) -> list[page.Part]:
    said = (
        "On held-out collected data, and where each controller drove: from every state that it "
        "visited, the model is rolled out under the actions that were executed. After one step "
        "that is what a plan predicted. Planners look for a model's errors: what it errs by where "
        "they drive says more of plans than what it errs by on data."
    )
    columns, lines = model_errors.table(found.settings)

    def who(line: Line) -> str:
        return line["where"] if line["where"] in found.controllers else ""

    return [Words([said]), Table("errors", columns, lines, marked="where", who=who)]


def _episodes(found: Results) -> list[page.Part]:
    evaluate = found.settings["evaluate"]

    def error(row: Line) -> float | None:
        value = row.get("final_error")
        return None if value is None else value * evaluate["error_scale"]

    yes = {True: "yes", False: "no"}
    columns = [
        *([word("model", "model")] if len(found.models) > 1 else []),
        word("controller", "controller"),
        measure("episode", "episode", show=lambda v: f"{v}"),
        measure("seed", "seed", show=lambda v: text.DASH if v is None else f"{v}"),
        word("outcome", "outcome"),
        Column("success", lambda r: yes.get(r.get("success"), text.DASH)),  # type: ignore[arg-type]
        Column(evaluate["error_label"], lambda r: text.number(error(r)), order=error),
        measure("steps", "steps", show=lambda v: text.DASH if v is None else f"{v:g}"),
        measure("return", "return"),
        measure("cost", "task_cost"),
        measure("p50 [ms]", "seconds_p50", show=text.milliseconds),
        measure("max [ms]", "seconds_max", show=text.milliseconds),
        measure("late", "deadline_misses", show=lambda v: text.DASH if v is None else f"{v:g}"),
        Column("fallbacks", lambda r: text.reasons(r.get("fallbacks") or {}) or "0", words=True),
        measure("gap", "mean_gap", show=text.percent),
        measure("proved", "proved", show=text.percent),
    ]
    failures = [
        f"{r['controller']}, episode {r['episode']}: {r['outcome']}: {r['message']}"
        for r in found.rows
        if r.get("message")
    ]
    told = [Words(failures, "notes")] if failures else []
    return [
        *told,
        Table(
            "episodes",
            columns,
            found.rows,
            marked="controller",
            who=lambda row: row["controller"],
            folded=f"All {len(found.rows)} episodes",
        ),
    ]


def _tiles(found: Results, lines: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Headline numbers of the reference controller, with the model that it did best with."""
    reference, label = found.settings["reference"], found.settings["evaluate"]["error_label"]
    ours = [s for s in lines if s["controller"] == reference]
    if not ours:
        return []
    best = min(ours, key=lambda s: (-(s["success"] or 0.0), s["final_error"] or 0.0))
    budget = found.settings["evaluate"]["budget"]
    tiles = []
    if best["success"] is not None:
        share = f"{best['successes']} of {best['episodes']}"
        tiles.append({"value": share, "label": "episodes succeed"})
    tiles.append({"value": text.number(best["final_error"]), "label": label})
    limit = f" (budget {1000 * budget:g} ms)" if budget else ""
    time = f"{text.milliseconds(best['seconds_p99'])} ms"
    tiles.append({"value": time, "label": f"99th percentile of decision time{limit}"})
    if best["proved"] is not None:
        tiles.append({"value": text.percent(best["proved"]), "label": "decisions proved optimal"})
    return tiles


def _improvements(found: Results, lines: list[dict[str, Any]]) -> str:
    """`mppi 62 % (40–85), cem ...`: how often the reference ends closer; empty without pairs."""
    many = len(found.models) > 1
    parts = []
    for line in lines:
        if line["improved"] is None:
            continue
        low, high = 100 * line["improved_low"], 100 * line["improved_high"]
        name = line["controller"] + (f" ({line['model']})" if many else "")
        parts.append(f"{name} {text.percent(line['improved'])} ({low:.0f}–{high:.0f})")
    return ", ".join(parts)
