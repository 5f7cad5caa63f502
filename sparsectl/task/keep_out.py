"""Convex regions that planar points stay out of, at planned steps and on the way between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task.arrays import join, larger, least, like
from sparsectl.task.expression import matrix
from sparsectl.task.reference import Decision, Reference, When, active, changes, check, resolve


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
        """How deep the point is in the region at every step, or on the way to it.

        Args:
            states: of steps 0..H. Shape (..., H + 1, nx), numpy or torch.

        Returns:
            Shape (..., H).
        """
        inside = self.inside(states)
        after = inside[..., 1:, :]
        if not self.between:
            return least(after).clip(min=0)
        first = inside[..., :1, :]
        first = first - least(first, keep=True).clip(min=0)
        before = join([first, inside[..., 1:-1, :]], -2)
        return least(larger(before, after)).clip(min=0)

    def inside(self, states: Any) -> Any:
        """Distance to satisfying every row at every step. Shape (..., H + 1, faces)."""
        point = states @ like(self.P.T, states)
        sides = self.sides(states.shape[-2] - 1)
        return like(np.ascontiguousarray(sides), states) - point @ like(self.A.T, states)


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
