"""Convex regions that planar points stay out of, at planned steps and on the way between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task.arrays import join, larger, like, smaller
from sparsectl.task.expression import matrix
from sparsectl.task.reference import Decision, Reference, When, active, changes, check, resolve

_CACHE = 3 * 2**18
"""Bytes of one array of depths."""


@dataclass(frozen=True)
class KeepOutConfig:
    """Every planar point of `of` stays outside a convex polygon [m]."""

    of: str
    polygon: list[tuple[float, float]] | None = None
    """Corners of a convex polygon, either orientation."""
    box: tuple[float, float, float, float] | None = None
    """x_min, y_min, x_max, y_max."""
    boxes: str | None = None
    """A goal part of the observation: four numbers as in `box` for every box; empty ones (x_min not
    below x_max, or y) are not there."""
    margin: float = 0.0
    """The region is grown by this distance [m]."""
    between: bool = True
    """Also on the straight line between two planned points."""
    when: When = "always"
    """Planned steps at which the region is there."""
    path: Reference | None = None
    """How far the region is moved [m], two entries; for every step from the present one on."""
    price: float | None = None
    """Cost of a unit of depth and step; None: a hard constraint."""

    def __post_init__(self) -> None:
        where = f"keep_out of '{self.of}'"
        if sum(v is not None for v in (self.polygon, self.box, self.boxes)) != 1:
            raise ConfigError(f"{where}: give exactly one of polygon, box and boxes")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ConfigError(
                f"{where}: box {list(self.box)} is empty, expected x_min, y_min, x_max, y_max"
            )
        numbers = self.box or [v for corner in self.polygon or () for v in corner]
        if not np.isfinite(numbers).all():
            raise ConfigError(
                f"{where}: a corner is not finite: expected numbers, large if need be"
            )
        if not 0 <= self.margin < np.inf:
            raise ConfigError(f"{where}: margin is {self.margin}, expected >= 0")
        check_price(self.price, where)
        check(self.when, where)

    @property
    def changes(self) -> bool:
        """Whether the region depends on the decision."""
        return self.boxes is not None or self.when != "always" or changes(self.path)


def check_price(price: float | None, where: str) -> None:
    """Refuse a price that is not a positive number."""
    if price is not None and not 0 < price < np.inf:
        raise ConfigError(f"{where}: price is {price}, expected a number above 0")


@dataclass(frozen=True)
class KeepOut:
    """The point `P @ x` must satisfy at least one row of `A p >= b` (rows of unit length).

    With `between` there is one row that both ends of every step satisfy, so that the straight line
    between them satisfies it too. The first step counts as far as the present point allows: rows
    that it violates no more than it must, if it is inside.

    Attributes:
        P: Shape (2, nx).
        A: Shape (faces, 2), outward unit normals.
        b: Shape (faces,), or (H + 1, faces) for steps 0..H; margin included; -inf at steps at
            which the region is not there.
        weight: what one unit of penetration depth counts in `Constraints.violation`.
        between: also between planned points.
    """

    P: np.ndarray
    A: np.ndarray
    b: np.ndarray
    label: str = ""
    weight: float = 1.0
    between: bool = False

    def sides(self, horizon: int) -> np.ndarray:
        """Right-hand sides at steps 0..H. Shape (H + 1, faces)."""
        return np.broadcast_to(self.b, (horizon + 1, len(self.A)))

    def depth(self, states: Any) -> Any:
        """How deep the point is in the region at every step, or on the way to it. Shape (..., H).

        Args:
            states: of steps 0..H. Shape (..., H + 1, nx), numpy or torch.
        """
        return Batch.of((self,)).depth(states)[0]


@dataclass(frozen=True)
class Batch:
    """Regions of as many faces each, whose depths are a few operations for all of them.

    Attributes:
        index: of the regions, among those that were given.
        rows: distinct rows of their `A @ P`. Shape (rows, nx).
        face: row of every face. Shape (faces, regions).
        b: right-hand sides. Shape (faces, regions, H + 1), or (faces, regions, 1): alike at all
            steps.
        between: of all of them.
    """

    index: np.ndarray
    rows: np.ndarray
    face: np.ndarray
    b: np.ndarray
    between: bool

    @classmethod
    def of(cls, regions: Sequence[KeepOut], index: Sequence[int] = (0,)) -> Batch:
        """Batch of regions that agree in faces, `between` and the shape of b."""
        normals = np.stack([region.A @ region.P for region in regions], axis=1)
        rows, face = np.unique(
            normals.reshape(-1, normals.shape[-1]) + 0.0, axis=0, return_inverse=True
        )
        b = np.stack([np.atleast_2d(region.b).T for region in regions], axis=1)
        face = face.reshape(normals.shape[:2])
        return cls(np.array(index), rows, face, b, regions[0].between)

    def parts(self, states: Any) -> Iterator[tuple[slice, Any]]:
        """Depths of as many plans at a time as stay in a core's cache.

        Args:
            states: Shape (N, H + 1, nx), numpy or torch.

        Yields:
            Which plans, n of them, and depths of shape (regions, n, H).
        """
        plan = self.face.shape[1] * states.shape[1] * states.dtype.itemsize
        n = max(1, _CACHE // plan)
        for first in range(0, max(1, len(states)), n):
            those = slice(first, first + n)
            yield those, self.depth(states[those])

    def depth(self, states: Any) -> Any:
        """Depth of every region, see `KeepOut.depth`. Shape (regions, ..., H)."""
        lead = states.shape[:-1]
        along = like(self.rows, states) @ states.reshape(-1, states.shape[-1]).T
        along = along.reshape(len(self.rows), *lead)
        before, after = along[..., :-1], along[..., 1:]
        shape = (-1, *(1 for _ in lead[:-1]))
        sides = like(self.b, states)
        sides = [side.reshape(*shape, side.shape[-1]) for side in sides]
        if self.b.shape[-1] == 1:
            # The larger of two distances to one face is that to the point that is less beyond it.
            far = smaller(before, after) if self.between else after
            inside = [b - _of(far, face) for b, face in zip(sides, self.face, strict=True)]
        else:
            inside = []
            for b, face in zip(sides, self.face, strict=True):
                there = b[..., 1:] - _of(after, face)
                if self.between:
                    there = larger(b[..., :-1] - _of(before, face), there)
                inside.append(there)
        depth = reduce(smaller, inside).clip(min=0)
        return self._begun(depth, sides, along) if self.between else depth

    def _begun(self, depth: Any, sides: list[Any], along: Any) -> Any:
        """The depths, on the first step less what is due to where the point is at present."""
        now, then = along[..., :1], along[..., 1:2]
        pairs = list(zip(sides, self.face, strict=True))
        first = [b[..., :1] - _of(now, face) for b, face in pairs]
        least = reduce(smaller, first).clip(min=0)
        if not (least > 0).any():
            return depth
        after = [b[..., 1 if b.shape[-1] > 1 else 0, None] - _of(then, face) for b, face in pairs]
        ends = [larger(a - least, b) for a, b in zip(first, after, strict=True)]
        return join([reduce(smaller, ends).clip(min=0), depth[..., 1:]], -1)


def _of(along: Any, face: np.ndarray) -> Any:
    """Values of the row of every region. Shape (regions, ...), or (1, ...) of one row for all."""
    return along[face[:1]] if (face == face[0]).all() else along[face]


def batches(regions: Sequence[KeepOut]) -> list[Batch]:
    """Regions in as few batches as their shapes allow."""
    groups: dict[tuple[int, bool, int], list[int]] = {}
    for i, region in enumerate(regions):
        groups.setdefault((len(region.A), region.between, region.b.ndim), []).append(i)
    return [Batch.of([regions[i] for i in group], group) for group in groups.values()]


def bind(
    config: KeepOutConfig, names: Mapping[str, slice], nx: int, now: Decision
) -> list[KeepOut]:
    """Resolve a `KeepOutConfig`: one region for every point and polygon.

    Raises:
        ConfigError: unknown names, sizes that do not match, a polygon that is not convex.
    """
    where = f"keep_out of '{config.of}'"
    E = matrix(config.of, names, nx)
    if len(E) % 2:
        raise ConfigError(f"{where}: needs planar points, got {len(E)} entries")
    there = active(config.when, now, where)
    if there is not None and not there.any():
        return []
    path = None if config.path is None else resolve(config.path, 2, now, f"{where}: path", 0)
    if path is not None and not np.isfinite(path).all():
        raise ConfigError(f"{where}: path is not finite")
    points = E.reshape(-1, 2, nx)
    several = config.boxes is not None
    regions = []
    for k, corners in enumerate(_polygons(config, now, where)):
        A, offsets = faces(corners, config.of)
        b = offsets + config.margin
        if path is not None:
            b = b + path @ A.T
        if there is not None:
            b = np.where(there[:, None], b, -np.inf)
        name = f"keep-out {k} of '{config.of}'" if several else f"keep-out of '{config.of}'"
        regions += [
            KeepOut(P, A, b, f"{name} point {i}", config.price or 1.0, config.between)
            for i, P in enumerate(points)
        ]
    return regions


def _polygons(config: KeepOutConfig, now: Decision, where: str) -> list[np.ndarray]:
    """Corners of every polygon. Shapes (k, 2)."""
    if config.polygon is not None:
        return [np.asarray(config.polygon, dtype=np.float64)]
    boxes = np.asarray(config.box, dtype=np.float64)
    if config.boxes is not None:
        boxes = now.part(config.boxes, where)
        if boxes.size % 4:
            raise ConfigError(
                f"{where}: goal '{config.boxes}' has {boxes.size} entries, boxes need four each"
            )
        if now.outline:
            boxes = np.tile([0.0, 0.0, 1.0, 1.0], boxes.size // 4)
    found = []
    for x0, y0, x1, y1 in boxes.reshape(-1, 4):
        if x0 < x1 and y0 < y1:
            found.append(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    return found


def faces(corners: np.ndarray, of: str) -> tuple[np.ndarray, np.ndarray]:
    """Outward unit normals and offsets of a convex polygon."""
    if len(corners) < 3:
        raise ConfigError(f"keep_out of '{of}': a polygon needs at least 3 corners")
    edges = np.roll(corners, -1, axis=0) - corners
    turn = edges[:, 0] * np.roll(edges, -1, 0)[:, 1] - edges[:, 1] * np.roll(edges, -1, 0)[:, 0]
    if not ((turn > 0).all() or (turn < 0).all()):
        raise ConfigError(f"keep_out of '{of}': the polygon is not strictly convex")
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1) * np.sign(turn[0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = (normals * corners).sum(1)
    # A star turns the same way at every corner, yet has corners beyond its own edges.
    if (corners @ normals.T > offsets + 1e-9).any():
        raise ConfigError(f"keep_out of '{of}': the edges of the polygon cross")
    return normals, offsets
