"""One self-contained HTML report of continual learners: nothing is fetched."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sparsectl.checkpoint import near
from sparsectl.continual import figures, results, tables
from sparsectl.continual.results import Line, UnitResult
from sparsectl.errors import ConfigError
from sparsectl.files import write_atomic
from sparsectl.report import page
from sparsectl.report.style import looks_of
from sparsectl.report.table import Column, csv
from sparsectl.runs.versions import versions


@dataclass(frozen=True)
class Section:
    """Learners of one stream.

    Attributes:
        found: finished units of all runs with this stream.
        lines: see `results.summarise`.
        modes: the same for every test mode, empty where no learner has several.
        configurations: YAML text by run.
    """

    title: str
    found: list[UnitResult]
    lines: list[Line]
    modes: list[Line]
    configurations: dict[str, str]


def collect(folders: Sequence[str | Path]) -> list[Section]:
    """Read runs, and put those with the same tasks together.

    Args:
        folders: of runs. Where several have the same tasks, learners are named `<run>: <label>`.

    Raises:
        ConfigError: a folder without a finished unit, or the same folder twice.
        CheckpointError: a unit is damaged.
    """
    read = {Path(folder): _finished(Path(folder)) for folder in folders}
    if len(read) < len(folders):
        raise ConfigError("a run is given twice: name every folder once")
    parts: dict[tuple, dict[Path, list[UnitResult]]] = {}
    for folder, units in read.items():
        key = (units[0].facts["stream"], units[0].kind, tuple(units[0].tasks))
        parts.setdefault(key, {})[folder] = units
    return [_section(key[0], runs) for key, runs in parts.items()]


def _section(stream: str, runs: Mapping[Path, list[UnitResult]]) -> Section:
    found = [
        replace(unit, label=f"{folder.name}: {unit.label}") if len(runs) > 1 else unit
        for folder, units in runs.items()
        for unit in units
    ]
    several = [u for u in found if len(u.matrices) > 1]
    configurations = {
        folder.name: (folder / "config.yaml").read_text(encoding="utf-8")
        for folder in runs
        if (folder / "config.yaml").is_file()
    }
    title = stream.replace("_", " ")
    modes = results.summarise(several, modes=True) if several else []
    return Section(title, found, results.summarise(found), modes, configurations)


def _finished(folder: Path) -> list[UnitResult]:
    found = results.read(folder) if folder.is_dir() else []
    if not found:
        raise ConfigError(
            f"no finished learner in '{folder}'{near(folder)}: give the folder of a run, after "
            "`sparsectl continual run`"
        )
    return found


def write(
    sections: Sequence[Section], out: Path, *, title: str = "", pictures: Sequence[Path] = ()
) -> Path:
    """Write report.html, and for every stream table and figures, to a folder.

    Args:
        sections: see `collect`.
        out: an existing folder.
        pictures: further pictures (PNG or SVG), shown under their file names.

    Raises:
        ConfigError: a picture that is missing or of another kind.
        FileError: nothing can be written there.
    """
    for i, section in enumerate(sections):
        name = "compare" if len(sections) == 1 else f"compare_{i + 1}"
        write_atomic(out / f"{name}.csv", csv([*section.lines, *section.modes]))
        write_atomic(out / f"{name}.md", tables.markdown(section.lines))
    return write_atomic(out / "report.html", render(sections, out, title, pictures))


def render(
    sections: Sequence[Section], out: Path, title: str = "", pictures: Sequence[Path] = ()
) -> str:
    """The report as HTML text. Figures are also written as SVG files to `out`/figures."""
    title = title or " and ".join(s.title for s in sections)
    styles = looks_of(u.label for s in sections for u in s.found)
    parts = [
        part
        for i, section in enumerate(sections)
        for part in _sections(i, section, styles, out, len(sections) > 1 or title != section.title)
    ]
    if pictures:
        shown = [{"name": p.stem.replace("_", " "), "data": page.picture(p)} for p in pictures]
        drawn = [{**p, "caption": p["name"], "wide": False} for p in shown]
        parts.append(page.Section("Pictures", [page.Figures(drawn)]))
    subtitle = (
        "One network meets one task after another and keeps no example. Scores are those of the "
        "deployed network, with one bit a weight the signs; intervals are 95 % bootstrap intervals "
        "of interquartile means over seeds."
    )
    return page.render(page.Page(title, subtitle, parts, styles, versions()))


def _sections(
    index: int, section: Section, styles: figures.Looks, out: Path, titled: bool
) -> list[page.Section]:
    """What the page has of a stream."""
    unit, number = section.found[0], index + 1
    higher = unit.kind == "classification"
    best = _best(section.lines, higher)
    seeds = max(line["seeds"] for line in section.lines)
    names = f": {', '.join(unit.tasks)}" if len(unit.tasks) <= 12 else ""
    about = (
        f"{len(unit.tasks)} tasks of {unit.kind}{names}; {seeds} seed{'s' if seeds > 1 else ''}."
        + ("" if higher else " Lower errors are better.")
    )

    def style(line: Mapping[str, Any]) -> str:
        bound = line["protocol"] != "sequential"
        return "soft" if bound else "strong" if line["label"] == best else ""

    def table(name: str, lines: Sequence[Line], columns: Sequence[Column]) -> page.Table:
        marks = style if name == "results" else lambda _: ""
        who = operator.itemgetter("label")
        return page.Table(f"{name}-{number}", columns, lines, "learner", who, marks)

    drawn = page.drawn(
        ((n, text, draw(section.found, styles)) for n, (draw, text) in figures.FIGURES.items()),
        out / "figures",
        styles,
        prefix=f"s{index}" if index else "",
        suffix=f"-{number}",
        wide=("matrices",),
    )
    cost = [r for r in section.lines if r["protocol"] == "sequential"] or section.lines
    cost_columns = [*tables.named(cost)[:1], *tables.belief(cost), *tables.cost(cost)]
    results_table = table("results", section.lines, tables.scores(section.lines))
    parts = [
        page.Section(section.title if titled else "", [page.Words([about]), results_table, drawn]),
        page.Section("Calibration and cost", [table("cost", cost, cost_columns)], 3),
    ]
    if section.modes:
        columns = tables.scores(section.modes)
        parts.append(
            page.Section("Ways of predicting", [table("modes", section.modes, columns)], 3)
        )
    folded = {"Learners": _settings(section.found)}
    folded |= {f"Configuration of {n}": text for n, text in section.configurations.items()}
    words = [page.Words([text], "pre", folded=told) for told, text in folded.items()]
    return [*parts, page.Section("", words)]


def _best(lines: Sequence[Line], higher: bool) -> str | None:
    """Label of the best learner of one task after another."""
    known = [r for r in lines if r["protocol"] == "sequential" and r["final"].count]
    if not known:
        return None
    pick = max if higher else min
    return pick(known, key=lambda r: r["final"].value)["label"]


def _settings(found: Sequence[UnitResult]) -> str:
    """What every learner had, as YAML; numbers that follow from the seed are left out."""
    shown = {}
    for unit in found:
        if unit.label not in shown:
            names = ("learner", "network", "epochs", "batch_size", "noise")
            shown[unit.label] = {name: unit.settings[name] for name in names}
    return yaml.safe_dump(shown, sort_keys=False, default_flow_style=None, width=100)
