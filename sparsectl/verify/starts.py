"""Boxes of start states, as users name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl.config import parse
from sparsectl.errors import ConfigError
from sparsectl.task import Task
from sparsectl.task.expression import matrix

_ENTRY = re.compile(r"(\w+\[\d+(?::\d+)?\])\s*:")
"""The name of an entry, which YAML would take for a list."""
_FAR = 0.1
"""Share of the data's range by which starts may lie outside of it without a word."""
_EXAMPLE = "for example `angle: [-0.1, 0.1], position: 0`"


@dataclass(frozen=True)
class Starts:
    """A box of start states.

    Attributes:
        low, high: Shape (nx,).
        names: of the entries of the state.
    """

    low: np.ndarray
    high: np.ndarray
    names: tuple[str, ...]

    @property
    def free(self) -> np.ndarray:
        """Entries that are not one number. Shape (nx,), bool."""
        return self.high > self.low

    def told(self) -> str:
        """In words."""
        return ", ".join(
            f"{name} {low:.4g}" + (f" to {high:.4g}" if high > low else "")
            for name, low, high in zip(self.names, self.low, self.high, strict=True)
        )

    def beyond(self, seen: Any) -> list[str]:
        """What to say of starts that lie outside the data of the model.

        Args:
            seen: least and largest of every entry there; None: not known. Shapes (nx,).
        """
        if seen is None:
            return []
        least, most = np.asarray(seen, dtype=np.float64)
        off = np.maximum(least - self.low, self.high - most) > _FAR * (most - least)
        if not off.any():
            return []
        told = ", ".join(
            f"{self.names[i]} {least[i]:.4g} to {most[i]:.4g}" for i in np.flatnonzero(off)
        )
        return [
            f"some starts are outside the data of the model ({told}), which was never checked "
            "there: give a smaller box of starts, or collect data there"
        ]


def entries(task: Task) -> tuple[str, ...]:
    """A name for every entry of the state."""
    return tuple(
        name if part.stop - part.start == 1 else f"{name}[{i}]"
        for name, part in task.map.names.items()
        for i in range(part.stop - part.start)
    )


def read(given: str | Mapping[str, Any] | list | None, task: Task, seen: np.ndarray) -> Starts:
    """A box from what a user says.

    Args:
        given: `part: [low, high]`, `part: value` or `part[i]: ...` by name, as text or as a
            mapping, the pair's sides being numbers or one number for each of the part's entries;
            or `low, high`, two numbers or two lists, of all entries.
        task: names the parts of the state.
        seen: states at the starts of episodes, whose range the entries have that are not named.
            Shape (n, nx).

    Raises:
        ConfigError: an unknown name, another number of entries, a side that is no finite number,
            low above high, or a box that is wholly beyond a hard constraint.
    """
    low, high = seen.min(axis=0), seen.max(axis=0)
    if isinstance(given, str):
        text = given.strip()
        if not text:
            raise ConfigError(f"--from is empty: leave it out, or give a box, {_EXAMPLE}")
        if text[:1] not in ("{", "[") or (text.startswith("[") and not text.endswith("]]")):
            text = f"{{{text}}}" if ":" in text else f"[{text}]"
        given = parse(_ENTRY.sub(r'"\1":', text))
        if isinstance(given, list) and len(given) == 1:
            given = given[0]
    if given is not None and not isinstance(given, Mapping):
        low, high = _sides(given, task.nx, "--from")
    elif given is not None:
        for name, value in given.items():
            where = f"--from: {name}"
            try:
                rows = matrix(str(name), task.map.names, task.nx)
            except ConfigError as error:
                raise ConfigError(f"--from: {error}") from None
            if not (np.count_nonzero(rows, axis=1) == 1).all() or (rows.sum(1) != 1).any():
                raise ConfigError(f"{where}: expected a part of the state, {_EXAMPLE}")
            at = rows.argmax(axis=1)
            low[at], high[at] = _sides(value, len(at), where)
    box = Starts(low, high, entries(task))
    for i in np.flatnonzero(low > high):
        raise ConfigError(
            f"--from: {box.names[i]}: low {low[i]:g} is above high {high[i]:g}; {_EXAMPLE}"
        )
    with np.errstate(over="ignore"):
        wide = ~np.isfinite(high - low)
    for i in np.flatnonzero(wide):
        raise ConfigError(f"--from: {box.names[i]}: the range overflows; {_EXAMPLE}")
    _check_inside(box, task)
    return box


def _sides(value: Any, size: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Low and high ends of some entries."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = [value, value]
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ConfigError(f"{where}: expected low and high, {_EXAMPLE}; got {value!r}")
    found = []
    for side in value:
        try:
            array = np.asarray(side, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.array(np.nan)
        if not np.isfinite(array).all():
            raise ConfigError(f"{where}: expected finite numbers, got {side!r}")
        if array.shape not in ((), (size,)):
            raise ConfigError(f"{where}: expected {size} numbers, got {array.size}")
        found.append(np.array(np.broadcast_to(array, size)))
    return found[0], found[1]


def _check_inside(box: Starts, task: Task) -> None:
    """Refuse starts none of which keeps what every planned state has to keep."""
    limits = task.lasting
    least = np.maximum(limits.G, 0) @ box.low + np.minimum(limits.G, 0) @ box.high
    sides = limits.sides(1)[0] if limits.h.ndim == 1 else limits.h.max(axis=0, initial=-np.inf)
    for row in np.flatnonzero(least > sides):
        raise ConfigError(
            f"--from: all starts are beyond the {limits.labels[row]}: at least {least[row]:.4g}, "
            f"allowed are {sides[row]:.4g}; give a box that is inside, at least in part"
        )
