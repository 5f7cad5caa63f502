"""Spaces of a dataset as they were written, and values as rows in their order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from sparsectl.environment import whole
from sparsectl.errors import DataError, nearest


def stored_spaces(path: Path) -> tuple[spaces.Space, spaces.Space]:
    """Observation and action space, with the keys of Dicts in the order they were written in.

    Minari sorts keys, and builds the recorded environment when spaces are missing; data must not
    run code.
    """
    try:
        metadata = json.loads((path / "metadata.json").read_text(encoding="utf-8"))
        stored = {"observation_space", "action_space"} <= set(metadata)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path / 'metadata.json'}: not valid: {error}") from error
    if not stored:
        raise DataError(f"{path / 'metadata.json'}: the spaces are missing")
    try:
        observation, action = (
            _ordered(json.loads(metadata[name])) for name in ("observation_space", "action_space")
        )
    except (LookupError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise DataError(f"{path / 'metadata.json'}: the spaces are damaged: {error}") from error
    return observation, action


def _ordered(stored: dict[str, Any]) -> spaces.Space:
    from minari.serialization import deserialize_space

    if stored["type"] == "Dict":
        return spaces.Dict([(k, _ordered(s)) for k, s in stored["subspaces"].items()])
    if stored["type"] == "Tuple":
        return spaces.Tuple([_ordered(s) for s in stored["subspaces"]])
    if stored["type"] not in deserialize_space.registry:
        raise ValueError(
            f"unknown type '{stored['type']}'" + nearest(stored["type"], deserialize_space.registry)
        )
    return deserialize_space(stored)


def numbers(value: Any, dataset_id: str, dtype: Any = np.float64) -> np.ndarray:
    """Recorded values as numbers.

    Raises:
        DataError: text, or another kind that is not real numbers.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"dataset '{dataset_id}' holds values of type {array.dtype} where real numbers are "
            f"expected: {str(array.reshape(-1)[:1])[:80]}"
        )
    return array.astype(dtype)


def flat(value: Any, space: spaces.Space, dataset_id: str) -> np.ndarray:
    """Values of a whole episode as rows, in the order of the space."""
    if isinstance(space, spaces.Box) or whole(space) is not None:
        array, size = numbers(value, dataset_id), math.prod(space.shape or ())
        if array.size != size * (len(array) if array.ndim else 1):
            raise DataError(
                f"dataset '{dataset_id}' has values of shape {array.shape} for the steps of an "
                f"episode, its space is {space}"
            )
        return array.reshape(-1 if size else len(array), size)
    if isinstance(space, spaces.Dict):
        parts = [flat(value[k], s, dataset_id) for k, s in space.spaces.items()]
    elif isinstance(space, spaces.Tuple):
        parts = [flat(v, s, dataset_id) for v, s in zip(value, space.spaces, strict=True)]
    else:
        raise DataError(
            f"dataset '{dataset_id}' has observations of space {space}: expected a Box, or a Dict "
            "or Tuple of Boxes"
        )
    return np.concatenate(parts, axis=1)
