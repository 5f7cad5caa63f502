"""Linear expressions of named state entries, as written in cost and constraint configs.

Grammar: `sum, ...` with `sum := term (+|- term)*`, `term := [number *] part` and `part := name |
name[i:j] | name[i] | mean(name)`, where `mean(name)` is the centroid of planar points stored as
(x0, y0, x1, y1, ...). Sums joined by commas are entries one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from sparsectl.errors import ConfigError, one_of

_TERM = re.compile(
    r"\s*(?P<sign>[+-]?)\s*"
    r"(?:(?P<factor>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\*\s*)?"
    r"(?:mean\(\s*(?P<mean>\w+)\s*\)|(?P<name>[^\W\d]\w*)(?:\[(?P<start>\d+)(?::(?P<stop>\d+))?\])?)\s*"
)


def matrix(expression: str, names: Mapping[str, slice], size: int) -> np.ndarray:
    """Matrix E with `expression == E @ x`. Shape (k, nx).

    Args:
        expression: see the module docstring, e.g. `"pusher - mean(keypoints)"`.
        names: slices of the state vector by name.

    Raises:
        ConfigError: syntax error, unknown name, index out of range, sizes that do not match.
    """
    if "," in expression:
        return np.concatenate([matrix(part, names, size) for part in expression.split(",")])
    total: np.ndarray | None = None
    position = 0
    while position < len(expression):
        match = _TERM.match(expression, position)
        if not match or (position > 0 and not match["sign"]):
            raise ConfigError(
                f"cannot read '{expression}' at '{expression[position:]}': expected names, "
                "name[i:j], mean(name) or 2.5*name joined by + and -, or by commas"
            )
        rows = _rows(match, names, size)
        factor = float(match["factor"] or 1.0)
        rows = (-factor if match["sign"] == "-" else factor) * rows
        if total is not None and total.shape != rows.shape:
            raise ConfigError(f"'{expression}' adds {total.shape[0]} and {rows.shape[0]} entries")
        total = rows if total is None else total + rows
        position = match.end()
    if total is None:
        raise ConfigError("empty expression: expected the name of state entries")
    return total


def whole_angles(E: np.ndarray, parts: Iterable[slice]) -> bool:
    """Whether rows of E read the sine and the cosine of one angle, of parts that have all sines
    first. Shape (k, nx)."""
    halves = (np.split(E[:, part].any(0), 2) for part in parts)
    return any((sine & cosine).any() for sine, cosine in halves)


def _rows(match: re.Match, names: Mapping[str, slice], size: int) -> np.ndarray:
    name = match["mean"] or match["name"]
    one_of(name, names, "unknown state entry")
    rows = np.eye(size)[names[name]]
    if match["mean"]:
        if len(rows) % 2:
            raise ConfigError(f"mean({name}) needs planar points, '{name}' has {len(rows)} entries")
        return rows.reshape(-1, 2, size).mean(0)
    if match["start"] is not None:
        start = int(match["start"])
        stop = int(match["stop"]) if match["stop"] is not None else start + 1
        if not start < stop <= len(rows):
            raise ConfigError(f"'{name}' has {len(rows)} entries, [{start}:{stop}] is outside")
        return rows[start:stop]
    return rows
