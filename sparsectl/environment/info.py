"""What an environment tells of its task in `info`: how far it is from the goal, and success."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sparsectl.errors import ConfigError


def error(info: Mapping[str, Any], env_id: str) -> float | None:
    """`info["error"]`, the distance to the goal in a unit of the environment's choice, or None.

    Raises:
        ConfigError: it is not one finite number.
    """
    return _read(info, "error", env_id, "one finite number", math.isfinite)


def success(info: Mapping[str, Any], env_id: str) -> bool | None:
    """`info["is_success"]`, whether the task is solved in this step, or None.

    Raises:
        ConfigError: it is not a truth value.
    """
    value = _read(info, "is_success", env_id, "True or False", lambda v: v in (0.0, 1.0))
    return None if value is None else bool(value)


def _read(
    info: Mapping[str, Any], name: str, env_id: str, expected: str, fits: Callable[[float], bool]
) -> float | None:
    given = info.get(name)
    if given is None:
        return None
    array = np.asarray(given)
    if array.size == 1 and array.dtype.kind in "biuf":
        value = float(array.reshape(()))
        if fits(value):
            return value
    raise ConfigError(
        f"info['{name}'] of environment '{env_id}' is {given!r}, expected {expected}; an "
        "environment that does not know it leaves it out, or gives None"
    )
