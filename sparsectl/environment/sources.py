"""Files of the user's own that a module of Python is written in."""

from __future__ import annotations

import ast
import functools
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
    for level, name in _asked_for(path.read_bytes()):
        folder = path.parents[level - 1] if level else _folder(name)
        if folder is not None:
            whole = folder.joinpath(*name.split("."))
            yield from (whole.with_suffix(".py"), whole / "__init__.py")


@functools.cache
def _asked_for(text: bytes) -> list[tuple[int, str]]:
    """Dots before it, and dotted name, of everything that a text may import."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):
        return []  # no text of Python
    found = [(0, a.name) for n in nodes if isinstance(n, ast.Import) for a in n.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            first = [node.module] if node.module else []
            names = [first, *([*first, alias.name] for alias in node.names)]
            found += [(node.level, ".".join(parts)) for parts in names if parts]
    return found


def _folder(name: str) -> Path | None:
    """Folder in which the first package or module of a dotted name lies."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if spec is None or spec.name == "sparsectl":
        return None
    return Path([*(spec.submodule_search_locations or ()), spec.origin or ""][0]).parent
