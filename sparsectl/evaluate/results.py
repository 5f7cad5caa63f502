"""The folder of a comparison: rows that survive crashes, and what they belong to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsectl.files import (
    FileError,
    append_line,
    read_json,
    read_json_lines,
    writable_folder,
    write_atomic,
    write_json,
)

EPISODES, PLANNED, SETTINGS, CLIPS = "episodes.jsonl", "planned.jsonl", "settings.json", "clips"
Name = tuple[str, str, int]
"""Model, controller, episode."""


@dataclass(frozen=True)
class Results:
    """Rows of a comparison.

    Attributes:
        folder: where the files are.
        settings: content of settings.json: names in order, configuration, versions.
        rows: one per episode, ordered by model, controller and episode.
        planned: one per state and controller.
    """

    folder: Path
    settings: dict[str, Any]
    rows: list[dict[str, Any]]
    planned: list[dict[str, Any]]

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order of the configuration."""
        return list(self.settings["models"])

    @property
    def controllers(self) -> list[str]:
        """Names of the controllers, in the order of the configuration."""
        return list(self.settings["controllers"])

    def of(self, model: str, controller: str) -> list[dict[str, Any]]:
        """Rows of one model and controller, by episode."""
        return [r for r in self.rows if r["model"] == model and r["controller"] == controller]

    def clip(self, row: Mapping[str, Any], name: str) -> Path | None:
        """A file that an episode left (`clip.webp`, `filmstrip.webp`), or None."""
        path = clip_folder(self.folder, name_of(row)) / name
        return path if path.is_file() else None


def read(folder: str | Path) -> Results:
    """Results of a folder, also of an unfinished comparison.

    Raises:
        FileError: there is no comparison in the folder.
    """
    folder = Path(folder)
    if not (folder / SETTINGS).is_file():
        raise FileError(f"no comparison at '{folder}': expected {SETTINGS} there")
    settings = read_json(folder / SETTINGS)
    keys = settings["keys"]
    order: dict[tuple[str, str], int] = {}
    for model in settings["models"]:
        for controller in settings["controllers"]:
            order[(model, controller)] = len(order)
    latest = {
        name: row
        for name, row in latest_rows(folder).items()
        if keys.get(f"{name[0]}/{name[1]}") == row["key"] and name[2] < settings["episodes"]
    }
    rows = sorted(latest.values(), key=lambda r: (order[name_of(r)[:2]], r["episode"]))
    planned = [
        row
        for unit in latest_planned(folder).values()
        if unit["key"] == settings["planned_key"]
        for row in unit["rows"]
    ]
    return Results(folder, settings, rows, planned)


def latest_rows(folder: Path) -> dict[Name, dict[str, Any]]:
    """The last row of each episode; lines that are torn or foreign are skipped."""
    rows = (r for r in read_json_lines(folder / EPISODES) if isinstance(r, dict))
    needed = {"model", "controller", "episode", "key", "outcome"}
    return {name_of(r): r for r in rows if needed <= r.keys()}


def latest_planned(folder: Path) -> dict[tuple[str, int, int], dict[str, Any]]:
    """The last line of each planned state, by model, episode and step."""
    rows = (r for r in read_json_lines(folder / PLANNED) if isinstance(r, dict))
    needed = {"model", "episode", "step", "key", "rows"}
    return {(r["model"], r["episode"], r["step"]): r for r in rows if needed <= r.keys()}


def open_folder(
    folder: str | Path, settings: Mapping[str, Any], *, force: bool = False
) -> dict[Name, dict[str, Any]]:
    """Prepare a folder for a comparison.

    Args:
        folder: made if missing.
        settings: content of settings.json; `keys` maps "model/controller" to a digest.
        force: set results of another configuration aside instead of refusing.

    Returns:
        The rows that are already there and still valid; failed units are not among them.

    Raises:
        FileError: the folder cannot be written, or holds results of another configuration.
    """
    folder = writable_folder(folder)
    keys, rows = settings["keys"], latest_rows(folder)
    foreign = sorted({f"{n[0]}/{n[1]}" for n, r in rows.items() if _differs(keys, n, r)})
    if foreign:
        if not force:
            raise FileError(
                f"'{folder}' holds episodes of another configuration ({', '.join(foreign)}): "
                "choose another folder, or pass --force to set them aside"
            )
        kept = [r for n, r in rows.items() if not _differs(keys, n, r)]
        _set_aside(folder / EPISODES)
        lines = "".join(json.dumps(r, allow_nan=False) + "\n" for r in kept)
        write_atomic(folder / EPISODES, lines)
    write_json(folder / SETTINGS, dict(settings))
    return {n: r for n, r in rows.items() if not _differs(keys, n, r) and r["outcome"] != "error"}


def add_row(folder: Path, row: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Append a row; its files are written first, so that a row never lacks them."""
    for name, data in files.items():
        write_atomic(clip_folder(folder, name_of(row)) / name, data)
    append_line(folder / EPISODES, json.dumps(row, allow_nan=False))


def add_planned(folder: Path, unit: Mapping[str, Any]) -> None:
    """Append the plans of one state."""
    append_line(folder / PLANNED, json.dumps(unit, allow_nan=False))


def clip_folder(folder: Path, name: Name) -> Path:
    """Where an episode's pictures are."""
    safe = ["".join(c if c.isalnum() or c in "-_." else "_" for c in part) for part in name[:2]]
    return folder / CLIPS / safe[0] / f"{safe[1]}-{name[2]}"


def name_of(row: Mapping[str, Any]) -> Name:
    """What identifies a row."""
    return (row["model"], row["controller"], row["episode"])


def names(rows: Iterable[Mapping[str, Any]]) -> set[Name]:
    """The names of several rows."""
    return {name_of(r) for r in rows}


def _differs(keys: Mapping[str, str], name: Name, row: Mapping[str, Any]) -> bool:
    expected = keys.get(f"{name[0]}/{name[1]}")
    return expected is not None and row["key"] != expected


def _set_aside(path: Path) -> None:
    number = 1
    while path.with_name(f"{path.stem}.{number}{path.suffix}").exists():
        number += 1
    os.replace(path, path.with_name(f"{path.stem}.{number}{path.suffix}"))
