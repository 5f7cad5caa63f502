"""Arguments of tasks, checked with messages that say what to give."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from .errors import TaskError


def checked_action(action: np.ndarray, size: int) -> np.ndarray:
    """The action as float64, shape (size,)."""
    action = np.asarray(action, dtype=np.float64)
    if action.shape != (size,):
        raise TaskError(f"action has shape {action.shape}, expected ({size},)")
    if not np.isfinite(action).all():
        raise TaskError(f"action {action.tolist()} is not finite")
    return action


def checked_state(state: np.ndarray, size: int) -> np.ndarray:
    """The saved state as float64, shape (size,)."""
    return checked_states(state, (size,))


def checked_states(states: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Saved states as float64, of that shape."""
    states = np.asarray(states, dtype=np.float64)
    if states.shape != shape:
        raise TaskError(
            f"state has shape {states.shape}, expected {shape}: give what get_state() of an "
            "environment with the same arguments returned"
        )
    if not np.isfinite(states).all():
        raise TaskError("state is not finite")
    return states


def checked_choice(name: str, value: object, options: Sequence[object]) -> None:
    """Raise unless the value is one of the options."""
    if value not in options:
        known = ", ".join(repr(o) for o in options)
        names = [o for o in options if isinstance(o, str)]
        close = difflib.get_close_matches(str(value), names, n=1)
        hint = f" (did you mean '{close[0]}'?)" if close else ""
        raise TaskError(f"{name} is {value!r}, expected one of {known}{hint}")


def checked_flag(name: str, value: object) -> bool:
    """The value if it is a bool."""
    if not isinstance(value, bool):
        raise TaskError(f"{name} is {value!r}, expected true or false")
    return value


def checked_count(name: str, value: object, low: int = 1, high: int | None = None) -> int:
    """The value as int, if it is a whole number from low to high."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):  # type: ignore[operator]
        limit = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise TaskError(f"{name} is {value!r}, expected a whole number {limit}")
    return int(value)  # type: ignore[call-overload]


def checked_number(name: str, value: object, low: float, high: float, unit: str = "") -> float:
    """The value as float, if it is a number from low to high."""
    known = isinstance(value, float | int | np.floating | np.integer)
    if not known or isinstance(value, bool) or not low <= value <= high:  # type: ignore[operator]
        unit = f" {unit}" if unit else ""
        raise TaskError(f"{name} is {value!r}, expected a number from {low:g} to {high:g}{unit}")
    return float(value)  # type: ignore[arg-type]
