"""Packages whose names are loaded at first use, so that settings and `--help` need no torch.

Such a package states its names once, for type checkers, and hands them over:

    if TYPE_CHECKING:
        from package.module import Name

    names_on_demand(__name__)
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def names_on_demand(package: str) -> None:
    """Let a package load what its `if TYPE_CHECKING:` imports, each name when it is asked for."""
    module = sys.modules[package]
    assert module.__spec__ is not None
    source = module.__spec__.loader.get_source(package)  # type: ignore[union-attr]
    sources = {
        alias.asname or alias.name: node.module
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    module.__dict__.update(_sources=sources, __all__=sorted(sources))
    module.__class__ = _Package


class _Package(ModuleType):
    """A module with names still to be loaded."""

    _sources: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._sources:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        value = getattr(import_module(self._sources[name]), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the module `train` would hide the function `train`.
        if not (isinstance(value, ModuleType) and name in self._sources):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._sources})
