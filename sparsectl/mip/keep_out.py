"""The MIP reader of regions to keep out of: a binary for every face that a step may be beyond."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.model import Builder
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task.keep_out import KeepOut

_Key = tuple[bytes, bytes]
NONE = np.zeros(0, dtype=int)
"""Columns of what is not there."""
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
    keys: list[_Key] | None = None

    @classmethod
    def of(cls, region: KeepOut, bounds: HorizonBounds, horizon: int) -> Faces:
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
            region.between,
        )  # fmt: skip
        return replace(found, keys=found.keys_at(0)) if np.ndim(region.b) == 1 else found

    def at_start(self, t: int) -> np.ndarray:
        """Depth beyond each face that step t has whatever the plan is. Shape (faces,)."""
        return np.maximum(self.start, 0.0) if t == 0 else np.zeros(len(self.start))

    def keys_at(self, t: int) -> list[_Key]:
        """Normal of every face, and its sides at the ends of a step: what faces differ in."""
        if self.keys is not None:
            return self.keys
        needs = self.need[t if self.between else t + 1 : t + 2].T
        return [(row.tobytes(), need.tobytes()) for row, need in zip(self.rows, needs, strict=True)]


def shared_faces(keys: Sequence[list[_Key]], price: float | None) -> list[_Key]:
    """Faces that several regions have at a step, such as those of a wall on both sides of a door.

    One binary says for all of these regions that the point is beyond the face. At a price, only
    where a region has all of its shared faces in common with the same others (see `_add_region`).
    """
    counts = Counter(key for some in keys for key in some)
    shared = [key for key, count in counts.items() if count > 1]
    if price is None or not shared:
        return shared
    owners = {key: [key in some for some in keys] for key in shared}
    mixed = [len({tuple(owners[k]) for k in some if k in owners}) > 1 for some in keys]
    return [k for k in shared if not any(m and o for m, o in zip(mixed, owners[k], strict=True))]


@dataclass
class Common:
    """A face that several regions have at a step.

    Attributes:
        depths: column of the depth of each of these regions, empty without a price.
        beta: column of its binary, once a region has put it there.
    """

    depths: list[np.ndarray]
    beta: int | None = None


def add_keep_out(
    builder: Builder,
    regions: Sequence[Faces],
    keys: Sequence[list[_Key]],
    t: int,
    x: np.ndarray,
    price: float | None,
    shared: Sequence[_Key],
) -> str | None:
    """Step t stays out of all regions, or pays for its depths; label of one that it cannot.

    Args:
        builder: where to.
        regions, keys: with `Faces.keys_at` of each.
        t: step, which leads from t to t + 1.
        x: variables of x_1..x_H. Shape (H, nx).
        price: of a unit of depth, times the region's weight; None: hard.
        shared: see `shared_faces`.
    """
    there = [(r, own) for r, own in zip(regions, keys, strict=True) if not r.settled[t]]
    depths = [NONE if price is None else _add_depth(builder, r, t, price) for r, _ in there]
    if price is not None and any(r.at_start(t).any() for r, _ in there):
        shared = ()  # who is inside now leaves each region by a face of its own
    common = {}
    for key in shared:
        has = [k for k, (_, own) in enumerate(there) if key in own]
        if len(has) > 1:
            common[key] = Common([depths[k] for k in has])
    for (region, own), depth in zip(there, depths, strict=True):
        if not _add_region(builder, region, t, x, depth, own, common):
            return f"{region.label} at step {t + 1}"
    return None


def _add_depth(builder: Builder, region: Faces, t: int, price: float) -> np.ndarray:
    """Column of how deep step t is in a region, whose unit costs `price` times its weight."""
    rooms = [region.need[k] - region.least[k] for k in region.ends[t]]
    deepest = max(0.0, *(float(r.max()) for r in (*rooms, region.at_start(t))))
    depth = builder.variables(0.0, deepest, 1)
    builder.cost(depth, price * region.weight)
    return depth


def _add_region(
    builder: Builder,
    region: Faces,
    t: int,
    x: np.ndarray,
    depth: np.ndarray,
    keys: list[_Key],
    common: dict[_Key, Common],
) -> bool:
    """At least one face has step t on its outer side; False when none can.

    Args:
        builder: where to.
        region: that is not settled at t.
        t: step, which leads from t to t + 1.
        x: variables of x_1..x_H. Shape (H, nx).
        depth: column of the region's depth, see `_add_depth`; empty: a hard constraint.
        keys: see `Faces.keys_at`.
        common: the first region with one of these faces puts its binary there.

    At a price a face that is shared may be missed by as much as all of its regions are deep
    together, of which each that has no other face pays in full. Of the shared faces of a region
    one is enough: they are all shared with the same regions, for which the same one is best.
    """
    possible = region.possible[t]
    faces = np.arange(len(possible)) if len(depth) else np.flatnonzero(possible)
    if len(faces) == 0:
        return False
    rows, ends = region.rows[faces], [(x[k - 1], region.need[k, faces]) for k in region.ends[t]]
    k, at_start = len(faces), region.at_start(t)[faces]
    rooms = [region.need[k, faces] - region.least[k, faces] for k in region.ends[t]]
    beta, known, together = np.zeros(k, dtype=int), np.zeros(k, dtype=bool), np.zeros(k, dtype=bool)
    deeps = depth
    for i, face in enumerate(common.get(keys[f]) for f in faces) if common else ():
        if face is not None:
            together[i], deeps = True, np.concatenate(face.depths)
            if face.beta is not None:
                beta[i], known[i] = face.beta, True
    beta[~known] = builder.variables(0.0, 1.0, int((~known).sum()), binary=True)
    for i in np.flatnonzero(together & ~known).tolist():
        common[keys[faces[i]]].beta = int(beta[i])
    if at_start.any() and len(depth):
        builder.add([(depth, np.ones((1, 1))), (beta, -at_start[None])], 0.0, np.inf)
    for (columns, need), room in zip(ends, rooms, strict=True):
        tight = np.flatnonzero((room > 0) & ~known)
        if len(tight):
            paid = np.where(together[tight, None], 1.0, deeps == depth)
            blocks = [(columns, rows[tight]), (beta[tight], -room[tight]), (deeps, paid)]
            builder.add(blocks, (need - room)[tight], np.inf)
        tight = np.flatnonzero((room > 0) & together)
        if len(tight) and len(depth):
            others = room[tight, None] * (1.0 - np.eye(k)[tight])
            blocks = [(columns, rows[tight]), (beta, others), (depth, np.ones((len(tight), 1)))]
            builder.add(blocks, need[tight], np.inf)
    builder.add([(beta, np.ones((1, k)))], 1.0, np.inf if together.any() else 1.0)
    if len(depth) and together.sum() > 1 and not known.any():
        builder.add([(beta[together], np.ones((1, int(together.sum()))))], 0.0, 1.0)

    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        deep = at_start.copy()
        for columns, need in ends:
            deep = np.maximum(deep, need - rows @ values[columns])
        if len(depth):  # of faces that are as good one that another region has is better
            best = np.lexsort((-values[beta], deep))[0]
            values[beta[best]], values[depth] = 1.0, max(float(deep[best]), 0.0)
        elif not values[beta].any():  # else another region has said it
            values[beta[np.argmin(deep)]] = 1.0

    builder.fills.append(fill)
    return True
