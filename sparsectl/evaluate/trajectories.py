"""What was seen and done in every episode of a comparison: one compressed file a folder.

`trajectories.npz` holds, under `<model>/<controller>/<episode>/`, the arrays

    times          control instants [s], or steps where the environment has no `dt`     (T + 1,)
    actions        executed                                                             (T, nu)
    rewards        of each step                                                         (T,)
    observations   as the environment gave them, flat                                   (T + 1, n)
    states         as the controller plans with them, where they are not the same       (T + 1, nx)

An episode is a small file beside its clip as soon as it ends; they are joined at the end, and
whenever a comparison goes on, so that a kill at any time costs nothing.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from sparsectl.files import write_atomic

FILE, PART = "trajectories.npz", "trajectory.npz"
LIMIT = 128 * 2**20
"""Bytes of all episodes together, before compression; longer ones keep every k-th step."""
Arrays = dict[str, np.ndarray]
Name = tuple[str, str, int]
"""Model, controller, episode."""


def packed(arrays: Mapping[str, np.ndarray], limit: float) -> bytes:
    """An episode's file; of more than `limit` bytes every k-th step."""
    size = sum(a.nbytes for a in arrays.values())
    stride = max(1, -(-size // max(1, int(limit))))
    content = io.BytesIO()
    thin = {name: array[::stride] for name, array in arrays.items()}
    np.savez_compressed(content, **thin)  # type: ignore[arg-type]
    return content.getvalue()


def read(folder: str | Path) -> dict[Name, Arrays]:
    """Arrays of every episode of a comparison; empty where none are kept."""
    found: dict[Name, Arrays] = {}
    for member, array in _members(Path(folder) / FILE).items():
        found.setdefault(_name(member), {})[member.rsplit("/", 1)[1]] = array
    return found


def join(folder: Path, parts: Mapping[Name, Path], kept: Iterable[Name]) -> None:
    """Move episodes' own files into the folder's one file.

    Args:
        kept: episodes whose arrays stay; others are dropped.
    """
    old, kept = _members(folder / FILE), set(kept)
    stay = {n: a for n, a in old.items() if _name(n) in kept and _name(n) not in parts}
    new = {
        f"{model}/{controller}/{episode}/{k}": a
        for (model, controller, episode), path in parts.items()
        for k, a in _members(path).items()
    }
    if new or len(stay) < len(old):
        content = io.BytesIO()
        np.savez_compressed(content, **{**stay, **new})  # type: ignore[arg-type]
        write_atomic(folder / FILE, content.getvalue())
    for path in parts.values():
        path.unlink(missing_ok=True)


def _name(member: str) -> Name:
    model, controller, episode, _ = member.rsplit("/", 3)
    return (model, controller, int(episode))


def _members(path: Path) -> Arrays:
    """Arrays of an npz file by name; none where there is no file or it is damaged."""
    if not path.is_file():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                name.removesuffix(".npy"): np.lib.format.read_array(
                    io.BytesIO(archive.read(name)), allow_pickle=False
                )
                for name in archive.namelist()
            }
    except (zipfile.BadZipFile, ValueError, OSError):
        return {}
