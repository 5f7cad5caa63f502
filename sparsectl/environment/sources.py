"""Files of the user's own that a module of Python is written in."""

from __future__ import annotations

import ast
import importlib.util
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import gymnasium

_INSTALLED = [
    Path(gymnasium.__file__).parents[1],
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
]


def sources(files: Iterable[Path]) -> set[Path]:
    """Those of some Python files that are the user's, and the user's that they import, anywhere in
    them and in turn. Installed packages, which have versions, do not count; nothing is imported."""
    found: set[Path] = set()
    left = [path for path in files if _counts(path)]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += filter(_counts, _imported(path))
    return found


def _counts(path: Path) -> bool:
    return path.is_file() and not any(path.is_relative_to(folder) for folder in _INSTALLED)


def _imported(path: Path) -> Iterator[Path]:
    try:
        nodes = ast.walk(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError):
        return  # no text of Python
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _named(_folder(alias.name), alias.name)
        elif isinstance(node, ast.ImportFrom):
            name = node.module or ""
            folder = path.parents[node.level - 1] if node.level else _folder(name)
            for full in (name, *(f"{name}.{alias.name}".strip(".") for alias in node.names)):
                yield from _named(folder, full)


def _folder(name: str) -> Path | None:
    """Folder in which the first package or module of a dotted name lies."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if spec is None or spec.name == "sparsectl":
        return None
    return Path([*(spec.submodule_search_locations or ()), spec.origin or ""][0]).parent


def _named(folder: Path | None, name: str) -> Iterator[Path]:
    if folder is not None:
        whole = folder.joinpath(*name.split("."))
        yield from (whole.with_suffix(".py"), whole / "__init__.py") if name else ()
