"""What a result was made with, as plain values: their digest, and what has changed since."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl.config import to_dict
from sparsectl.errors import ConfigError


def canonical(value: Any) -> Any:
    """JSON form in which what means the same is the same: `1.0` as `1`, tuples as lists, ...

    What has no plain form is its text.
    """
    value = to_dict(value)
    if isinstance(value, dict):
        return {key: canonical(v) for key, v in value.items()}
    if isinstance(value, list):
        return [canonical(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return canonical(value.tolist())
    if isinstance(value, float):
        if not math.isfinite(value):
            return repr(value)
        return int(value) if value.is_integer() else value
    return value if isinstance(value, str | int | bool | None) else repr(value)


def beyond_defaults(config: Any) -> Any:
    """Plain form of a config, without the fields that are as their class has them by default."""
    if isinstance(config, tuple | list):
        return [beyond_defaults(v) for v in config]
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        return canonical(config)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value, default = getattr(config, field.name), field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if type(value) is not type(default) or canonical(value) != canonical(default):
            found[field.name] = beyond_defaults(value)
    kind = getattr(config, "kind", None)
    return {"kind": kind, **found} if isinstance(kind, str) else found


def digest(value: Any, *, exact: bool = False) -> str:
    """16 hexadecimal digits that follow from a value's canonical form.

    Args:
        exact: of plain values as they are, `1.0` not as `1`.
    """
    text = json.dumps(value if exact else canonical(value), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def arrays_digest(arrays: Iterable[Any]) -> str:
    """Digest of the content of several arrays, in order."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


_LATER = {"code", "end_value", "read"}
"""What earlier versions did not write down; what they made goes on."""


def changes(
    before: Any, now: Any, *, named: Mapping[str, str] | None = None, where: str = ""
) -> list[str]:
    """What differs between two fingerprints, in order: `train.rate (0.1 -> 0.2)`.

    Args:
        named: what is said instead of the values, by dotted name: `{"data": "the data"}`.
        where: prefix of the names.
    """
    both = [{} if v is None else v for v in (before, now)]
    if all(isinstance(v, Mapping) for v in both):
        before, now = both
        return [
            change
            for key in dict.fromkeys([*now, *before])
            if where or key not in _LATER or key in before
            for change in changes(
                before.get(key),
                now.get(key),
                named=named,
                where=f"{where}.{key}" if where else str(key),
            )
        ]
    if digest(before) == digest(now):  # not `==`, for which 1 is True
        return []
    return [(named or {}).get(where, f"{where} ({before} -> {now})")]


def require_same(
    before: Any,
    now: Any,
    folder: str | Path,
    *,
    what: str = "the run",
    named: Mapping[str, str] | None = None,
) -> None:
    """Refuse to go on with what was made with other settings.

    Raises:
        ConfigError: naming what changed.
    """
    found = changes(before if isinstance(before, dict) else {}, now, named=named)
    if found:
        raise ConfigError(
            f"{what} in '{folder}' was made with other settings; changed: {', '.join(found)}. "
            "Put them back, choose another folder or name, or pass --force to start afresh"
        )
