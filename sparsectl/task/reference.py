"""Numbers that may change from planned step to planned step: targets, limits, paths, windows.

A list of lists counts steps of the episode, row 0 being the state after the reset; its last row
is held. A goal part of the observation counts from now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparsectl.errors import ConfigError, nearest

Reference = float | list[float] | list[list[float]] | str
"""A number, one for each entry, a list of these for every step of the episode, or the name of a
goal part: of one number for each entry, or of as many for every planned step."""
When = str | list[tuple[int, int]]
"""`always`, `terminal`, windows of episode steps (ends included), or the name of a goal part:
(first, last) of every window in steps from now."""


@dataclass(frozen=True)
class Decision:
    """What time-dependent parts of a task are resolved with.

    Attributes:
        goal: values of the goal parts by name.
        loose: only sizes of rows are checked; how many there are is not.
        outline: values of goals and the step are not known: everything is there that may be, but
            not at every step.
        late: steps from the goal's values to the present one; the last row of a goal is held.
    """

    goal: Mapping[str, np.ndarray]
    step: int
    horizon: int
    loose: bool = False
    outline: bool = False
    late: int = 0

    def part(self, name: str, where: str, words: Sequence[str] = ()) -> np.ndarray:
        """Values of a goal part; `words` are what else could have stood there.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self.goal:
            raise ConfigError(
                f"{where}: unknown goal '{name}'" + nearest(name, [*self.goal, *words])
            )
        return np.asarray(self.goal[name], dtype=np.float64)


def resolve(value: Reference, size: int, now: Decision, where: str, first: int = 1) -> np.ndarray:
    """Values at planned steps `first`..H, or one row for all of them.

    Args:
        first: planned step of the first row.

    Returns:
        Shape (size,), or (H + 1 - first, size).

    Raises:
        ConfigError: an unknown goal, another length than the task has, a value that is NaN.
    """
    steps = now.horizon + 1 - first
    if isinstance(value, str):
        array = now.part(value, where)
        if now.loose and array.size > size and array.size % size == 0:
            rows = array.reshape(-1, size)
            array = rows[np.minimum(np.arange(steps), len(rows) - 1)].ravel()
        if array.size == steps * size and array.size != size:
            rows = array.reshape(steps, size)
            array = rows[np.minimum(np.arange(steps) + now.late, steps - 1)]
        elif array.size != size and array.size % size == 0 and size:
            raise ConfigError(
                f"{where}: goal '{value}' has {array.size // size} steps of {size} entries, "
                f"the plan needs {steps} (or 1 for all of them)"
            )
    elif isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
        lengths = {len(row) if isinstance(row, list | tuple) else 1 for row in value}
        if lengths != {size}:
            raise ConfigError(
                f"{where}: a row of the list has {sorted(lengths - {size})[0]} entries, "
                f"expected {size}"
            )
        if 1 < len(value) < now.horizon and not now.loose:
            raise ConfigError(
                f"{where}: the list has {len(value)} steps, less than the horizon of "
                f"{now.horizon}: repeat its last row to hold it"
            )
        rows = np.asarray(value, dtype=np.float64)
        at = np.clip(now.step + np.arange(first, now.horizon + 1), 0, len(rows) - 1)
        array = rows[0] if len(rows) == 1 else rows[at]
    else:
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 0:
            array = np.full(size, float(array))
    if array.shape[-1:] != (size,):
        count = array.shape[-1] if array.ndim else 1
        raise ConfigError(f"{where}: expected {size} values, got {count}")
    if np.isnan(array).any():
        raise ConfigError(f"{where}: a limit is nan")
    return array


def changes(value: object) -> bool:
    """Whether a value depends on the decision: a goal part or a list for steps of the episode."""
    if isinstance(value, str):
        return True
    return bool(isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple))


def active(when: When, now: Decision, where: str) -> np.ndarray | None:
    """At which of the planned steps 0..H a constraint holds; None: at all of them.

    Returns:
        Shape (H + 1,), bool.

    Raises:
        ConfigError: an unknown goal, or a window whose last step is before its first.
    """
    steps = np.arange(now.horizon + 1)
    if when == "always":
        return None
    if when == "terminal":
        return steps == now.horizon
    if isinstance(when, str):
        ends = now.part(when, f"{where}: when", ("always", "terminal"))
        if ends.size % 2:
            raise ConfigError(
                f"{where}: goal '{when}' has {ends.size} entries, windows need two each"
            )
        windows = ends.reshape(-1, 2) - now.late
    else:
        check(when, where)
        windows = np.asarray(when, dtype=np.float64).reshape(-1, 2) - now.step
    if now.outline:
        return steps == now.horizon
    inside = (steps[:, None] >= windows[:, 0]) & (steps[:, None] <= windows[:, 1])
    return np.asarray(inside.any(axis=1))


def check(when: When, where: str, steps: int | None = None) -> None:
    """Refuse windows of numbers that never open.

    Args:
        steps: of an episode; None: not known.

    Raises:
        ConfigError: there is no window, or one ends before it begins or the episode does, or
            begins after its end.
    """
    if isinstance(when, str):
        return
    if not when:
        raise ConfigError(f"{where}: `when` is an empty list: it never holds; leave it out")
    for first, last in when:
        if last < first or last < 1:
            raise ConfigError(
                f"{where}: the window of steps {first} to {last} never opens: expected first <= "
                "last, counted from the start of the episode, which is step 0 and is not planned"
            )
        if steps is not None and first > steps:
            raise ConfigError(
                f"{where}: the window of steps {first} to {last} never opens: episodes end after "
                f"{steps} steps"
            )
