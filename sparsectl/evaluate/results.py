"""The folder of a comparison: rows that survive crashes, and what they belong to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsectl.evaluate import trajectories
from sparsectl.evaluate.trajectories import Name
from sparsectl.files import FileError, read_json, writable_folder, write_atomic, write_json
from sparsectl.runs import rows

EPISODES, PLANNED, SETTINGS, CLIPS = "episodes.jsonl", "planned.jsonl", "settings.json", "clips"


@dataclass(frozen=True)
class Results:
    """Rows of a comparison.

    Attributes:
        settings: content of settings.json: names in order, configuration, versions.
        rows: one per episode, ordered by model, controller and episode.
        planned: one per state and controller.
    """

    folder: Path
    settings: dict[str, Any]
    rows: list[dict[str, Any]]
    planned: list[dict[str, Any]]

    @property
    def numbers(self) -> range:
        """Numbers of the episodes that the configuration names."""
        return _numbers(self.settings)

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
    numbers = _numbers(settings)
    order: dict[tuple[str, str], int] = {}
    for model in settings["models"]:
        for controller in settings["controllers"]:
            order[(model, controller)] = len(order)
    latest = {
        name: row
        for name, row in latest_rows(folder).items()
        if keys.get(f"{name[0]}/{name[1]}") == row["key"] and name[2] in numbers
    }
    episodes = sorted(latest.values(), key=lambda r: (order[name_of(r)[:2]], r["episode"]))
    planned = [
        row
        for unit in latest_planned(folder).values()
        if unit["key"] == settings["planned_key"]
        for row in unit["rows"]
        if row["episode"] in numbers
    ]
    return Results(folder, settings, episodes, planned)


def _numbers(settings: Mapping[str, Any]) -> range:
    first = settings.get("evaluate", {}).get("first_episode", 0)
    return range(first, first + settings["episodes"])


def latest_rows(folder: Path) -> dict[Name, dict[str, Any]]:
    """The last row of each episode; lines that are torn or foreign are skipped."""
    needed = {"model", "controller", "episode", "key", "outcome"}
    return {name_of(r): r for r in rows.read(folder / EPISODES) if needed <= r.keys()}


def latest_planned(folder: Path) -> dict[tuple[str, int, int], dict[str, Any]]:
    """The last line of each planned state, by model, episode and step."""
    needed = {"model", "episode", "step", "key", "rows"}
    found = (r for r in rows.read(folder / PLANNED) if needed <= r.keys())
    return {(r["model"], r["episode"], r["step"]): r for r in found}


def check_folder(
    folder: str | Path, keys: Mapping[str, str], *, force: bool = False
) -> dict[Name, dict[str, Any]]:
    """Rows of a folder that another configuration left; nothing is written.

    Args:
        folder: of the comparison, may be missing.
        keys: digest of every "model/controller".
        force: accept them: `open_folder` sets them aside.

    Raises:
        FileError: there are some, and not `force`.
    """
    found = latest_rows(Path(folder))
    foreign = {n: r for n, r in found.items() if keys.get(f"{n[0]}/{n[1]}", r["key"]) != r["key"]}
    if foreign and not force:
        names = ", ".join(sorted({f"{n[0]}/{n[1]}" for n in foreign}))
        raise FileError(
            f"'{folder}' holds episodes of another configuration, environment, model or policy "
            f"file ({names}): choose another folder, or pass --force to set them aside"
        )
    return foreign


def open_folder(
    folder: str | Path, settings: Mapping[str, Any], *, force: bool = False
) -> dict[Name, dict[str, Any]]:
    """Prepare a folder for a comparison; torn lines go.

    Args:
        settings: content of settings.json; `keys` maps "model/controller" to a digest.
        force: set results of another configuration aside instead of refusing.

    Returns:
        The rows that are already there and still valid; failed units are not among them.

    Raises:
        FileError: the folder cannot be written, or holds results of another configuration.
    """
    folder = Path(folder)
    foreign = check_folder(folder, settings["keys"], force=force)
    writable_folder(folder)
    for name in (EPISODES, PLANNED):
        rows.mend(folder / name)
    kept = {n: r for n, r in latest_rows(folder).items() if n not in foreign}
    if foreign:
        rows.set_aside(folder / EPISODES)
        rows.write(folder / EPISODES, kept.values())
        for old in foreign:  # pictures of another model must not stand beside new rows
            shutil.rmtree(clip_folder(folder, old), ignore_errors=True)
    join_trajectories(folder)
    write_json(folder / SETTINGS, dict(settings))
    return {n: r for n, r in kept.items() if r["outcome"] != "error"}


def stored_settings(folder: Path) -> dict[str, Any]:
    """Content of settings.json; empty where there is none."""
    return read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}


def note(folder: Path, name: str, value: Any) -> None:
    """Add to settings.json what was found out while playing."""
    write_json(folder / SETTINGS, {**stored_settings(folder), name: value})


def add_row(folder: Path, row: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Append a row; its files are written first, so that a row never lacks them."""
    for name, data in files.items():
        write_atomic(clip_folder(folder, name_of(row)) / name, data)
    rows.add(folder / EPISODES, row)


def join_trajectories(folder: Path) -> None:
    """Move what single episodes left into the folder's one file, and drop what has no row."""
    names = {name: clip_folder(folder, name) for name in latest_rows(folder)}
    parts = {n: p for n, where in names.items() if (p := where / trajectories.PART).is_file()}
    trajectories.join(folder, parts, names)
    for where in names.values():
        with suppress(OSError):  # holds a clip, or is not there
            os.removedirs(where)  # and those that hold it, as far as they are empty


def add_planned(folder: Path, unit: Mapping[str, Any]) -> None:
    """Append the plans of one state."""
    rows.add(folder / PLANNED, unit)


def clip_folder(folder: Path, name: Name) -> Path:
    """Where an episode's pictures are."""
    safe = ["".join(c if c.isalnum() or c in "-_." else "_" for c in part) for part in name[:2]]
    return folder / CLIPS / safe[0] / f"{safe[1]}-{name[2]}"


def name_of(row: Mapping[str, Any]) -> Name:
    """What identifies a row."""
    return (row["model"], row["controller"], row["episode"])
