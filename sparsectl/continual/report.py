"""One self-contained HTML report of continual learners: nothing is fetched."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import yaml

from sparsectl.continual import figures, results, tables
from sparsectl.continual.results import Line, UnitResult
from sparsectl.errors import ConfigError, nearest
from sparsectl.evaluate.versions import versions
from sparsectl.files import write_atomic
from sparsectl.report import svg, text
from sparsectl.report.style import GRID, INK


@dataclass(frozen=True)
class Section:
    """Learners of one stream.

    Attributes:
        title: the stream.
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
        unit.renamed(f"{folder.name}: {unit.label}") if len(runs) > 1 else unit
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
        near = [p.name for p in folder.parent.glob("*")] if folder.parent.is_dir() else []
        raise ConfigError(
            f"no finished learner in '{folder}'"
            + nearest(folder.name, near)
            + ": give the folder of a run, after `sparsectl continual run`"
        )
    return found


def write(
    sections: Sequence[Section], out: Path, *, title: str = "", pictures: Sequence[Path] = ()
) -> Path:
    """Write report.html, and for every stream table and figures, to a folder.

    Args:
        sections: see `collect`.
        out: an existing folder.
        title: of the page.
        pictures: further pictures (PNG or SVG), shown under their file names.

    Returns:
        The path of the report.

    Raises:
        ConfigError: a picture that is missing or of another kind.
        FileError: nothing can be written there.
    """
    for i, section in enumerate(sections):
        name = "compare" if len(sections) == 1 else f"compare_{i + 1}"
        write_atomic(out / f"{name}.csv", tables.csv([*section.lines, *section.modes]))
        write_atomic(out / f"{name}.md", tables.markdown(section.lines))
    return write_atomic(out / "report.html", render(sections, out, title, pictures))


def render(
    sections: Sequence[Section], out: Path, title: str = "", pictures: Sequence[Path] = ()
) -> str:
    """The report as HTML text. Figures are also written as SVG files to `out`/figures."""
    labels = [u.label for s in sections for u in s.found]
    styles = figures.looks(labels)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(
        files("sparsectl.continual").joinpath("report.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        title=title or " and ".join(s.title for s in sections),
        sections=[_page(i, s, styles, out) for i, s in enumerate(sections)],
        looks=styles,
        classes={name: f"c{i}" for i, name in enumerate(styles)},
        pictures=[{"name": p.stem.replace("_", " "), "data": _data(p)} for p in pictures],
        versions=versions(),
        text=text,
    )


def _page(index: int, section: Section, styles: figures.Looks, out: Path) -> dict[str, Any]:
    """What the template needs of a section."""
    unit = section.found[0]
    cost = [r for r in section.lines if r["protocol"] == "sequential"] or section.lines
    return {
        "title": section.title,
        "kind": unit.kind,
        "tasks": unit.tasks,
        "seeds": max(line["seeds"] for line in section.lines),
        "lines": section.lines,
        "columns": tables.scores(section.lines),
        "modes": section.modes,
        "mode_columns": tables.scores(section.modes) if section.modes else [],
        "cost_lines": cost,
        "cost_columns": [*tables.named(cost)[:1], *tables.belief(cost), *tables.cost(cost)],
        "best": _best(section.lines, unit.kind == "classification"),
        "figures": _figures(index, section, styles, out),
        "configurations": section.configurations,
        "settings": _settings(section.found),
    }


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


def _figures(
    index: int, section: Section, styles: figures.Looks, out: Path
) -> list[dict[str, Any]]:
    drawn = []
    colours = {INK: "currentColor", GRID: "var(--grid)"}
    colours |= {look.light: f"var(--c{i})" for i, look in enumerate(styles.values())}
    for i, (name, (draw, caption)) in enumerate(figures.FIGURES.items()):
        figure = draw(section.found, styles)
        if figure is None:
            continue
        document = svg.to_svg(figure)
        prefix = f"s{index}" if index else ""
        write_atomic(out / "figures" / f"{prefix}{name}.svg", document)
        element = svg.inline(document, f"s{index}f{i}-", colours, caption)
        # The element comes from Matplotlib, which escapes every name that stands in it.
        drawn.append(
            {
                "name": name,
                "caption": caption,
                "wide": name == "matrices",
                "svg": jinja2.utils.markupsafe.Markup(element),
            }
        )
    return drawn


def _data(path: Path) -> str:
    kinds = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp"}
    if path.suffix not in kinds:
        raise ConfigError(f"picture '{path}'" + nearest(path.suffix, kinds))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"picture '{path}': {error.strerror}") from error
    return f"data:{kinds[path.suffix]};base64,{base64.b64encode(content).decode()}"
