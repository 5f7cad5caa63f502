"""What the entries of a flat observation are called, and which of them are the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

from sparsectl.environment.observations import sizes


@dataclass(frozen=True)
class Entries:
    """Entries of a flat observation.

    Attributes:
        names: parts that have a name: those of a Dict or Tuple, in the space's order (Gymnasium
            sorts the names of a Dict made of a plain dict); with a history `pose@2`, what `pose`
            was two steps earlier, `observation@1` where nothing has a name, and `action@1`, the
            last action.
        before: for every entry, which entry of [observation; action] of the step before it is;
            -1: none.
    """

    names: Mapping[str, range]
    before: np.ndarray


def entries(inner: spaces.Space, nu: int, history: Mapping[str, int]) -> Entries:
    """Of an environment's observations.

    Args:
        inner: space before flattening, without the history.
        history: how many earlier `observations` and `actions` there are as well.
    """
    parts, size = {}, 0
    for name, many in sizes(inner):
        parts[name] = range(size, size + many)
        size += many
    parts.pop("", None)
    past, done = history["observations"], history["actions"]
    found, first = dict(parts), (1 + past) * size
    for k in range(1, past + 1):
        for name, part in (parts or {"observation": range(size)}).items():
            found[f"{name}@{k}"] = range(k * size + part.start, k * size + part.stop)
    for k in range(1, done + 1):
        found[f"action@{k}"] = range(first + (k - 1) * nu, first + k * nu)
    total = first + done * nu
    before = np.full(total, -1)
    before[size:first] = np.arange(past * size)
    before[first : first + nu] = total + np.arange(min(nu, total - first))
    before[first + nu :] = np.arange(first, max(total - nu, first))
    return Entries(found, before)
