"""The MIP reader of regions to keep out of: a binary for every face that a step may be beyond."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.model import Builder
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task.keep_out import KeepOut

_Key = tuple[bytes, bytes]
NONE = np.zeros(0, dtype=int)
"""Column of a shared face that is not there yet."""
_AT_START = 1e-9
"""Depth of the present point that rounding makes."""


def extremes(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and most of rows (k, n) over boxes (H, n). Two of shape (H, k)."""
    up, down = np.maximum(rows, 0).T, np.minimum(rows, 0).T
    return low @ up + high @ down, high @ up + low @ down


@dataclass(frozen=True)
class Faces:
    """A region's faces over the horizon, and what bounds say of them. Step t leads from t to t + 1.

    Attributes:
        rows: beyond a face is `rows x >= need`. Shape (faces, nx).
        need: -inf at steps at which the region is not there. Shape (H + 1, faces).
        least: of the rows, over the boxes of states. Shape (H + 1, faces).
        start: depth of the present point that is not due to where it is; -inf where nothing is
            known to be deep. Shape (faces,).
        settled: steps that are on the outer side of a face whatever the plan is. Shape (H,).
        possible: faces that a step may have on its outer side. Shape (H, faces).
        ends: of each step, those after the present that are to be beyond a face.
        keys: `keys_at` of every step; None: they differ.
    """

    label: str
    weight: float
    rows: np.ndarray
    need: np.ndarray
    least: np.ndarray
    start: np.ndarray
    settled: np.ndarray
    possible: np.ndarray
    ends: list[list[int]]
    between: bool
    keys: list[_Key] | None

    @classmethod
    def of(cls, region: KeepOut, bounds: HorizonBounds, horizon: int, price: float | None) -> Faces:
        rows, need = region.A @ region.P + 0.0, region.sides(horizon) + 0.0
        least, most = extremes(rows, bounds.x_low, bounds.x_high)
        there: np.ndarray = np.asarray(np.isfinite(need).all(axis=1))
        start = np.full(len(rows), -np.inf)
        if region.between and there[0]:
            start = need[0] - least[0]
            start = start - max(float(start.min()), 0.0)
        beyond = np.stack([least >= need, most >= need])
        beyond[:, ~there] = True
        beyond[:, 0] = start <= _AT_START
        sure, possible = beyond[:, 1:] & beyond[:, :-1] if region.between else beyond[:, 1:]
        ends = [
            [k for k in ((t, t + 1) if region.between else (t + 1,)) if k and there[k]]
            for t in range(horizon)
        ]
        # Without an end that moves only a region that leaves now can be deep.
        settled = sure.any(axis=1) | np.array([not some for some in ends])
        found = cls(
            region.label, region.weight, rows, need, least, start, settled, possible, ends,
            region.between, [] if price is not None else None,
        )  # fmt: skip
        alike = found.keys is None and np.ndim(region.b) == 1
        return replace(found, keys=found.keys_at(0)) if alike else found

    def keys_at(self, t: int) -> list[_Key]:
        """Normal of every face, and its sides at the ends of a step: what faces differ in.

        None of a price: a shared face would have to be violated by all that share it.
        """
        if self.keys is not None:
            return self.keys
        needs = self.need[t if self.between else t + 1 : t + 2].T
        return [(row.tobytes(), need.tobytes()) for row, need in zip(self.rows, needs, strict=True)]


def shared_faces(keys: Iterable[list[_Key]]) -> list[_Key]:
    """Faces that several regions have at a step, such as those of a wall on both sides of a door.

    One binary says for all of these regions that the point is beyond the face.
    """
    counts = Counter(key for some in keys for key in some)
    return [key for key, count in counts.items() if count > 1]


def add_step(
    builder: Builder,
    region: Faces,
    t: int,
    x: np.ndarray,
    price: float | None,
    keys: list[_Key],
    common: dict[_Key, np.ndarray],
) -> bool:
    """At least one face has step t on its outer side; False when none can.

    The first region with a face of `common` puts its column there.
    """
    possible = region.possible[t]
    faces = np.arange(len(possible)) if price is not None else np.flatnonzero(possible)
    if len(faces) == 0:
        return False
    rows, ends = region.rows[faces], [(x[k - 1], region.need[k, faces]) for k in region.ends[t]]
    k, at_start = len(faces), np.zeros(len(faces))
    if t == 0:
        at_start = np.maximum(region.start[faces], 0.0)
    rooms = [region.need[k, faces] - region.least[k, faces] for k in region.ends[t]]
    keys = [keys[f] for f in faces] if common else []
    beta, known = np.zeros(k, dtype=int), np.zeros(k, dtype=bool)
    for i, key in enumerate(keys):
        known[i] = len(common.get(key, NONE)) > 0
        if known[i]:
            beta[i] = common[key][0]
    beta[~known] = builder.variables(0.0, 1.0, int((~known).sum()), binary=True)
    common.update((key, beta[i : i + 1]) for i, key in enumerate(keys) if key in common)
    depth = None
    if price is not None:
        deepest = max(0.0, float(at_start.max()), *(float(r.max()) for r in rooms))
        depth = builder.variables(0.0, deepest, 1)
        builder.cost(depth, price * region.weight)
        if at_start.any():
            builder.add([(depth, np.ones((1, 1))), (beta, -at_start[None])], 0.0, np.inf)
    for (columns, need), room in zip(ends, rooms, strict=True):
        tight = (room > 0) & ~known
        if not tight.any():
            continue
        blocks = [(columns, rows[tight]), (beta[tight], -room[tight])]
        if depth is not None:
            blocks.append((np.repeat(depth, int(tight.sum())), np.ones(int(tight.sum()))))
        builder.add(blocks, (need - room)[tight], np.inf)
    alone = not any(key in common for key in keys)
    builder.add([(beta, np.ones((1, k)))], 1.0, 1.0 if alone else np.inf)

    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        deep = at_start.copy()
        for columns, need in ends:
            deep = np.maximum(deep, need - rows @ values[columns])
        best = int(np.argmin(deep))
        if not values[beta].any():  # else another region has said it
            values[beta[best]] = 1.0
        if depth is not None:
            values[depth] = max(float(deep[best]), 0.0)

    builder.fills.append(fill)
    return True
