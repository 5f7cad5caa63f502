"""Linear expressions of named state entries, as written in cost and constraint configs.

Grammar: `term (+|- term)*` with `term := name | name[i:j] | name[i] | mean(name)`, where
`mean(name)` is the centroid of planar points stored as (x0, y0, x1, y1, ...).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from sparsectl.errors import ConfigError, nearest

_TERM = re.compile(r"\s*([+-]?)\s*(mean\(\s*(\w+)\s*\)|(\w+)(?:\[(\d+)(?::(\d+))?\])?)\s*")


def matrix(expression: str, names: Mapping[str, slice], size: int) -> np.ndarray:
    """Matrix E with `expression == E @ x`.

    Args:
        expression: see the module docstring, e.g. `"pusher - mean(keypoints)"`.
        names: slices of the state vector by name.
        size: nx.

    Returns:
        Shape (k, nx).

    Raises:
        ConfigError: syntax error, unknown name, index out of range, sizes that do not match.
    """
    total: np.ndarray | None = None
    position = 0
    while position < len(expression):
        match = _TERM.match(expression, position)
        if not match or (position > 0 and not match[1]):
            raise ConfigError(
                f"cannot read '{expression}' at '{expression[position:]}': expected names, "
                "name[i:j] or mean(name) joined by + and -"
            )
        rows = _rows(match, names, size)
        rows = -rows if match[1] == "-" else rows
        if total is not None and total.shape != rows.shape:
            raise ConfigError(f"'{expression}' adds {total.shape[0]} and {rows.shape[0]} entries")
        total = rows if total is None else total + rows
        position = match.end()
    if total is None:
        raise ConfigError("empty expression: expected the name of state entries")
    return total


def _rows(match: re.Match, names: Mapping[str, slice], size: int) -> np.ndarray:
    name = match[3] or match[4]
    if name not in names:
        raise ConfigError(f"unknown state entry '{name}'" + nearest(name, names))
    rows = np.eye(size)[names[name]]
    if match[3]:
        if len(rows) % 2:
            raise ConfigError(f"mean({name}) needs planar points, '{name}' has {len(rows)} entries")
        return rows.reshape(-1, 2, size).mean(0)
    if match[5] is not None:
        start = int(match[5])
        stop = int(match[6]) if match[6] is not None else start + 1
        if not start < stop <= len(rows):
            raise ConfigError(f"'{name}' has {len(rows)} entries, [{start}:{stop}] is outside")
        return rows[start:stop]
    return rows
