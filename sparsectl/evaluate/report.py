"""One self-contained HTML report: nothing is fetched, it can be mailed or archived as it is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml

from sparsectl.evaluate import planned, plots, results, table
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.files import write_atomic
from sparsectl.report import svg, text
from sparsectl.report.style import GRID, INK, looks

CAPTIONS = {
    "error_over_time": "Task error over the episode: interquartile mean, and the middle half of "
    "the episodes.",
    "error_against_time": "What a decision costs in time and what it brings: the whiskers are "
    "the 95 % interval of the error and the 99th percentile of the time.",
    "decision_times": "Decision times: median, middle half (thick), 5th to 99th percentile "
    "(thin) and maximum (cross).",
    "planned_costs": "Planned cost at the same states, above the best plan that is known; one "
    "dot is one state, the bar is the median.",
    "gap_over_time": "How far a plan can be from the best one under the model, as proved: "
    "median and middle half.",
    "gap_shares": "Decisions by the gap that was proved within the budget.",
}


def write(folder: str | Path, *, path: str | Path | None = None) -> Path:
    """Write the report, the figures and the CSV files of a comparison.

    Args:
        folder: of the comparison.
        path: of the report; None: `report.html` in `folder`.

    Returns:
        The path of the report.

    Raises:
        FileError: no comparison in `folder`, or nothing can be written there.
    """
    found = results.read(folder)
    table.write_csv(found)
    target = Path(path) if path is not None else found.folder / "report.html"
    return write_atomic(target, render(found))


def render(found: Results) -> str:
    """The report as HTML text. Figures are also written as SVG files beside the rows."""
    lines = summarise(found)
    shown = table.columns(found, lines)
    styles = looks(found.settings["kinds"])
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(
        files("sparsectl.evaluate").joinpath("report.html.j2").read_text(encoding="utf-8")
    )
    settings = found.settings
    return template.render(
        settings=settings,
        lines=lines,
        columns=shown,
        looks=styles,
        classes={name: f"c{i}" for i, name in enumerate(found.controllers)},
        tiles=_tiles(found, lines),
        notes=table.notes(found, lines),
        figures=_figures(found),
        clips=_clips(found),
        improvements=_improvements(found, lines),
        planned=planned.summarise(found.planned),
        episodes=found.rows,
        failures=[r for r in found.rows if r.get("message")],
        scale=settings["evaluate"]["error_scale"],
        configuration=_configuration(settings),
        text=text,
    )


def _figures(found: Results) -> list[dict[str, Any]]:
    drawn = []
    styles = looks(found.settings["kinds"])
    colours = {INK: "currentColor", GRID: "var(--grid)"}
    colours |= {look.light: f"var(--c{i})" for i, look in enumerate(styles.values())}
    for i, (name, draw) in enumerate(plots.FIGURES.items()):
        figure = draw(found) if found.rows else None
        if figure is None:
            continue
        document = svg.to_svg(figure)
        write_atomic(found.folder / "figures" / f"{name}.svg", document)
        element = svg.inline(document, f"f{i}-", colours, CAPTIONS[name])
        # The element comes from Matplotlib, which escapes every name that stands in it.
        drawn.append(
            {
                "name": name,
                "caption": CAPTIONS[name],
                "svg": jinja2.utils.markupsafe.Markup(element),
            }
        )
    return drawn


def _clips(found: Results) -> list[dict[str, Any]]:
    """One group per model and recorded episode, with every controller side by side."""
    groups = []
    for model in found.models:
        for episode in range(found.settings["evaluate"]["clips"]):
            rows = [r for r in found.rows if r["model"] == model and r["episode"] == episode]
            cards = [
                {
                    "row": row,
                    "clip": _data(found.clip(row, "clip.webp")),
                    "strip": _data(found.clip(row, "filmstrip.webp")),
                }
                for row in rows
            ]
            if cards:
                groups.append({"model": model, "episode": episode, "cards": cards})
    return groups


def _data(path: Path | None) -> str | None:
    if path is None:
        return None
    return f"data:image/webp;base64,{base64.b64encode(path.read_bytes()).decode()}"


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


def _configuration(settings: Mapping[str, Any]) -> str:
    names = ("env", "task", "horizon", "seed", "models", "controllers", "evaluate")
    return yaml.safe_dump({n: settings[n] for n in names}, sort_keys=False, width=88)
