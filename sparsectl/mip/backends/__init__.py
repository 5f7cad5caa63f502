"""General solvers behind one call: `MIPModel` -> `RawSolution`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from sparsectl.errors import ConfigError, MissingExtra, one_of
from sparsectl.mip.solution import RawSolution

Options = TypeVar("Options")

BACKENDS = {"scip": "pyscipopt", "highs": "highspy"}
"""Module in this folder, and the package that it needs. The module has a function `solve(model,
limits, starts, options, ocp) -> RawSolution`."""


def load(name: str) -> Callable[..., RawSolution]:
    """The `solve` of a backend.

    Raises:
        ConfigError: unknown name.
        MissingExtra: its package is not installed.
    """
    one_of(name, BACKENDS, "backend")
    package = BACKENDS[name]
    try:
        importlib.import_module(package)
    except ImportError as error:
        others = " or ".join(f"'{other}'" for other in BACKENDS if other != name)
        raise MissingExtra(
            f"backend '{name}' needs {package}: pip install {package}, or use backend {others}"
        ) from error
    return importlib.import_module(f"{__name__}.{name}").solve


def own_options(options: Any, kind: type[Options]) -> Options:
    """Options of a backend, its defaults for None.

    Raises:
        ConfigError: options of another backend.
    """
    if options is None:
        return kind()
    if isinstance(options, kind):
        return options
    raise ConfigError(
        f"options are a {type(options).__name__}, but this backend takes {kind.__name__}"
    )
