"""What an environment tells of its task in `info`: how far it is from the goal, and success."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sparsectl.environment.checked import scalar
from sparsectl.errors import ConfigError

_LEFT_OUT = "; an environment that does not know it leaves it out, or gives None"


def error(info: Mapping[str, Any], env_id: str) -> float | None:
    """`info["error"]`, the distance to the goal in a unit of the environment's choice, or None.

    Raises:
        ConfigError: it is not one finite number.
    """
    value = _number(info, "error", env_id)
    if value is not None and not math.isfinite(value):
        raise ConfigError(
            f"info['error'] of environment '{env_id}' is {value}, expected one finite number"
            + _LEFT_OUT
        )
    return value


def success(info: Mapping[str, Any], env_id: str) -> bool | None:
    """`info["is_success"]`, whether the task is solved in this step, or None.

    Raises:
        ConfigError: it is not a truth value.
    """
    value = _number(info, "is_success", env_id)
    if value not in (None, 0.0, 1.0):
        raise ConfigError(
            f"info['is_success'] of environment '{env_id}' is {value:g}, expected True or False"
            + _LEFT_OUT
        )
    return None if value is None else bool(value)


def _number(info: Mapping[str, Any], name: str, env_id: str) -> float | None:
    value = info.get(name)
    return None if value is None else scalar(value, f"info['{name}'] of environment '{env_id}'")
