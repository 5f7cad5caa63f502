"""The few operations that numpy and torch name differently, so that one reader serves both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


def like(array: np.ndarray, other: Any) -> Any:
    """`array` as the same kind (numpy or torch), dtype and device as `other`."""
    return array if isinstance(other, np.ndarray | np.floating) else other.new_tensor(array)


def stack(parts: Sequence[Any], axis: int) -> Any:
    """Arrays along a new axis."""
    if isinstance(parts[0], np.ndarray | np.floating):
        return np.stack(parts, axis=axis)
    return sys.modules["torch"].stack(list(parts), dim=axis)


def join(parts: Sequence[Any], axis: int) -> Any:
    """Arrays along an axis that they have."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis=axis)
    return sys.modules["torch"].cat(list(parts), dim=axis)


def larger(a: Any, b: Any) -> Any:
    """The larger of two, entry by entry."""
    return np.maximum(a, b) if isinstance(a, np.ndarray) else a.maximum(b)


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two, entry by entry."""
    return np.minimum(a, b) if isinstance(a, np.ndarray) else a.minimum(b)


def rank(ends: Any, values: Any) -> Any:
    """How many of sorted numbers are less than each value."""
    if isinstance(ends, np.ndarray):
        return np.searchsorted(ends, values)
    return sys.modules["torch"].searchsorted(ends, values.detach().contiguous())


def most(values: Any) -> Any:
    """Largest entry along the last axis."""
    return values.max(-1) if isinstance(values, np.ndarray) else values.amax(-1)
