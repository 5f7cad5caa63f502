"""Checkpoints: a directory of safetensors and JSON, written atomically, verified when read.

    model.safetensors   tensors
    config.json         how to build what the tensors belong to
    meta.json           format version, package versions, git commit, sha256 of the other two

A save writes a sibling directory, syncs it, and swaps it in; the directory that was there
before is kept under `.<name>.previous` until the swap is done, and is read if a crash fell in
between. Nothing is ever unpickled.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl.errors import CheckpointError, nearest
from sparsectl.files import readable_errors, sync_folder, write_synced

FORMAT_VERSION = 1
_TENSORS, _CONFIG, _META = "model.safetensors", "config.json", "meta.json"
_PACKAGES = ("sparsectl", "numpy", "torch", "gymnasium", "mujoco", "safetensors")
_LARGEST_JSON = 64 * 2**20


@dataclass(frozen=True)
class Stored:
    """What a checkpoint holds."""

    tensors: dict[str, np.ndarray]
    config: dict[str, Any]
    meta: dict[str, Any]


def save_tensors(
    path: str | Path,
    tensors: Mapping[str, np.ndarray],
    config: Mapping[str, Any],
    meta: Mapping[str, Any] | None = None,
) -> Path:
    """Write a checkpoint directory; one that was there before is replaced as a whole.

    Args:
        tensors: arrays by name; every floating-point one must be finite.
        config: JSON-writable.
        meta: JSON-writable facts; versions, time and checksums are added.

    Raises:
        CheckpointError: a NaN or infinity, something that is no JSON, or an unwritable place.
            The previous checkpoint is intact.
    """
    from safetensors.numpy import save

    path = Path(path).absolute()
    arrays = {k: np.ascontiguousarray(v) for k, v in tensors.items()}
    _check_finite(arrays, path)
    try:
        files = {_TENSORS: save(arrays), _CONFIG: _json(config)}
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        files[_META] = _json({**(meta or {}), **provenance(), "sha256": sums})
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"cannot write checkpoint '{path}': {error}") from error
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with readable_errors(path, kind=CheckpointError):
            _recover(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            for name, data in files.items():
                write_synced(temporary / name, data)
            sync_folder(temporary)
            _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def load_tensors(path: str | Path) -> Stored:
    """Read and verify a checkpoint directory.

    Raises:
        CheckpointError: missing, incomplete, damaged, of a newer format, or not finite; the
            message names the file and, where there is one, the tensor.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path)
    folder = _present(path)
    meta = _read_json(folder / _META)
    _check_version(meta, folder / _META)
    sums = meta.get("sha256")
    if not isinstance(sums, dict) or set(sums) != {_TENSORS, _CONFIG}:
        raise CheckpointError(
            f"{folder / _META}: sha256 must list exactly '{_TENSORS}' and '{_CONFIG}', "
            f"got {sorted(sums) if isinstance(sums, dict) else sums!r}"
        )
    for name, expected in sums.items():
        data = _read(folder / name)
        if hashlib.sha256(data).hexdigest() != expected:
            raise CheckpointError(
                f"{folder / name}: the checksum differs from the one in {_META}: the file was "
                "damaged or changed; restore it or train again"
            )
        if name == _TENSORS:
            try:
                tensors = load(data)
            except (SafetensorError, ValueError, KeyError, TypeError) as error:
                raise CheckpointError(f"{folder / name}: not valid safetensors: {error}") from error
    _check_finite(tensors, folder / _TENSORS)
    return Stored(tensors, _read_json(folder / _CONFIG), meta)


def load_kind(path: str | Path, kind: str, wanted: str) -> Stored:
    """As `load_tensors`, of one kind only, which is `wanted` in words.

    Raises:
        CheckpointError: see `load_tensors`; also another kind.
    """
    stored = load_tensors(path)
    found = stored.meta.get("kind")
    if found != kind:
        raise CheckpointError(f"'{path}' holds a '{found}', expected {wanted}")
    return stored


def exists(path: str | Path) -> bool:
    """Whether a checkpoint directory (or one saved just before a crash) is there."""
    path = Path(path)
    return (path / _META).is_file() or (_previous(path) / _META).is_file()


def remove(path: str | Path) -> None:
    """Remove a checkpoint directory, and what an interrupted save left of the one before it."""
    for folder in (Path(path), _previous(Path(path))):
        shutil.rmtree(folder, ignore_errors=True)


def content(path: str | Path) -> dict[str, str]:
    """Checksums of a checkpoint's files, as its meta.json has them: what makes two the same.

    Raises:
        CheckpointError: missing, damaged, or of a newer format.
    """
    return load_tensors(path).meta["sha256"]


def provenance() -> dict[str, Any]:
    """Format and package versions, time and git commit (None outside a repository)."""
    return {
        "format": "sparsectl-checkpoint",
        "format_version": FORMAT_VERSION,
        "versions": installed(_PACKAGES),
        "git_commit": git("rev-parse", "HEAD"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@functools.cache
def installed(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those of several packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def git(*words: str) -> str | None:
    """What git says about this checkout, or None where it is none."""
    command = ["git", "-C", str(Path(__file__).parent), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _check_version(meta: Mapping[str, Any], where: Path) -> None:
    version = meta.get("format_version")
    if meta.get("format") != "sparsectl-checkpoint" or not isinstance(version, int):
        raise CheckpointError(f"{where}: this is no sparsectl checkpoint")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{where}: format version {version} is newer than {FORMAT_VERSION}, the newest this "
            "version reads: upgrade sparsectl"
        )


def _check_finite(tensors: Mapping[str, np.ndarray], where: Path) -> None:
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(f"{where}: tensor '{name}' holds a NaN or infinity")


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read: {error.strerror}") from error


def _read_json(path: Path) -> dict[str, Any]:
    if path.is_file() and path.stat().st_size > _LARGEST_JSON:
        raise CheckpointError(f"{path}: {path.stat().st_size} bytes are too many for a JSON file")
    try:
        value = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a mapping, got {type(value).__name__}")
    return value


def _previous(path: Path) -> Path:
    return path.with_name(f".{path.name}.previous")


def _present(path: Path) -> Path:
    """The directory to read: `path`, or what it was before an interrupted swap."""
    if path.is_dir():
        depths = () if (path / _META).is_file() else ("*", "*/*")
        inside = sorted(p.parent for depth in depths for p in path.glob(f"{depth}/{_META}"))
        if inside:
            shown = ", ".join(f"'{p}'" for p in inside[:5])
            raise CheckpointError(f"no checkpoint at '{path}', but in it: {shown}; name one")
        return path
    if (_previous(path) / _META).is_file():
        return _previous(path)
    kind = "is a file, a checkpoint is a directory" if path.exists() else "there is no such folder"
    raise CheckpointError(f"no checkpoint at '{path}': {kind}{near(path)}")


def near(path: str | Path) -> str:
    """What there is in place of a folder that is not there, for the end of an error's message."""
    missing = Path(path)
    if missing.exists():
        return ""
    while not missing.parent.is_dir():
        missing = missing.parent
    folder = missing.parent
    close = nearest(missing.name, [p.name for p in folder.iterdir() if p.is_dir()])
    close = close if close.startswith(" (did you mean") else ""
    return f", as '{folder.resolve()}' has no '{missing.name}'{close}"


def _recover(path: Path) -> None:
    """Finish an interrupted swap: put the old directory back, or drop it."""
    previous = _previous(path)
    if previous.is_dir():
        if path.is_dir():
            shutil.rmtree(previous)
        else:
            os.rename(previous, path)


def _swap(temporary: Path, path: Path) -> None:
    if path.exists():
        if not (path / _META).is_file() and (not path.is_dir() or any(path.iterdir())):
            raise CheckpointError(f"'{path}' exists and is no checkpoint: it is not overwritten")
        os.rename(path, _previous(path))
    os.rename(temporary, path)
    sync_folder(path.parent)
    shutil.rmtree(_previous(path), ignore_errors=True)
