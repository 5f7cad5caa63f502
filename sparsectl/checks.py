"""Settings out of range, refused in the same words everywhere."""

from __future__ import annotations

import math
import numbers
import re
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sparsectl.errors import ConfigError, one_of


def within(config: Any, where: str, interval: str, *names: str) -> None:
    """Refuse fields that are not finite numbers in an interval; None passes.

    Args:
        config: has the fields; of a tuple, every entry is checked.
        where: named in errors, for example the kind of learner.
        interval: as mathematics writes it, for example "(0, inf)" or "[0, 1)".

    Raises:
        ConfigError: naming the field, its value and what is expected.
    """
    _check(config, where, interval, names, (numbers.Real,), f"a number {_words(interval)}")


def whole(config: Any, where: str, interval: str, *names: str) -> None:
    """As `within`, and only whole numbers pass."""
    _check(
        config, where, interval, names, (numbers.Integral,), f"a whole number {_words(interval)}"
    )


def choices(config: Any, where: str) -> None:
    """Refuse fields that are not one of their `Literal`'s options.

    Raises:
        ConfigError: naming the nearest one.
    """
    kind: Any = type(config)
    for name, options in _literals(kind).items():
        value = getattr(config, name)
        one_of(value, options, f"{where}: {name} is")


def run_name(name: str) -> None:
    """Refuse a name that is no name of a folder.

    Raises:
        ConfigError: naming it.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ConfigError(f"name is '{name}': use letters, digits, _, - and . only")


def different_seeds(seeds: tuple[int, ...], where: str = "") -> None:
    """Refuse seeds of which one comes twice, or is negative, or no seeds at all.

    Raises:
        ConfigError: naming them.
    """
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"{where}seeds is {list(seeds)}, expected different numbers, each at least 0"
        )


def _check(
    config: Any, where: str, interval: str, names: tuple[str, ...], kinds: tuple, expected: str
) -> None:
    low, high = map(float, interval[1:-1].split(","))
    for name in names:
        value = getattr(config, name)
        for entry in value if isinstance(value, tuple) else (value,):
            number = isinstance(entry, kinds) and not isinstance(entry, bool)
            if entry is None or (
                number
                and math.isfinite(entry)
                and (low <= entry if interval[0] == "[" else low < entry)
                and (entry <= high if interval[-1] == "]" else entry < high)
            ):
                continue
            shown = list(value) if isinstance(value, tuple) else value
            raise ConfigError(f"{where}: {name} is {shown!r}, expected {expected}")


def _words(interval: str) -> str:
    low, high = (part.strip() for part in interval[1:-1].split(","))
    closed = interval[0] == "["
    if high == "inf":
        return f"of at least {low}" if closed else f"above {low}"
    if closed:
        return f"from {low} to {high}" if interval[-1] == "]" else f"from {low} to below {high}"
    return f"above {low} and " + (f"at most {high}" if interval[-1] == "]" else f"below {high}")


@cache
def _literals(kind: type) -> dict[str, tuple]:
    hints = get_type_hints(kind)
    return {n: get_args(h) for n, h in hints.items() if get_origin(h) is Literal}
