"""Exceptions. Everything that sparsectl raises on purpose derives from `SparsectlError`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class SparsectlError(Exception):
    """Base class: the message says what was given, what was expected and what to do next."""


class Terminated(SystemExit):
    """SIGTERM has come: the exit status is 128 + SIGTERM, and no unit of work has failed."""

    def __init__(self) -> None:
        super().__init__(143)


class ConfigError(SparsectlError):
    """A configuration file, key, value or command-line option is wrong."""


class DataError(SparsectlError):
    """A dataset is missing, empty, of another environment, or holds non-finite numbers."""


class CheckpointError(SparsectlError):
    """A checkpoint cannot be read, is incomplete, or belongs to something else."""


class TrainingDiverged(SparsectlError):
    """A loss or gradient became non-finite; the last good checkpoint was kept."""


class NonFiniteError(SparsectlError):
    """A NaN or infinity where only finite numbers make sense (observation, action, weights)."""


class ShapeError(SparsectlError):
    """An array has another shape than the one expected."""


class MissingExtra(SparsectlError):
    """An optional dependency is not installed; the message names the pip command."""


def nearest(name: str, options: Iterable[str]) -> str:
    """` (did you mean 'x'?)` or the list of options: the tail of an 'unknown name' message."""
    known = sorted(str(o) for o in options)
    folded = {option.casefold(): option for option in known}
    close = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
    if close:
        return f" (did you mean '{folded[close[0]]}'?)"
    return f" (known: {', '.join(known)})" if known else ""


def one_of(
    name: object, options: Collection[Any], what: str, error: type[SparsectlError] = ConfigError
) -> None:
    """Refuse a name that is not one of the options, as `what 'name'` and the nearest of them.

    Raises:
        ConfigError: or another kind of `error`.
    """
    if name not in options:
        raise error(f"{what} '{name}'" + nearest(str(name), options))


@contextmanager
def prefixed(where: str, *kinds: type[SparsectlError]) -> Iterator[None]:
    """Errors of these kinds leave as the same kind with the place before their message."""
    try:
        yield
    except kinds as error:
        raise type(error)(f"{where}: {error}") from None
