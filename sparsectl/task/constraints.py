"""Hard constraints on planned states: boxes, half-spaces and keep-out regions of planar points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task.cost import _like
from sparsectl.task.expression import matrix

_SMALL = 2.0**-6
"""Below this size tolerances are relative."""


@dataclass(frozen=True)
class BoxConfig:
    """`low <= of <= high` at every planned step."""

    of: str
    low: float | list[float]
    high: float | list[float]


@dataclass(frozen=True)
class HalfSpaceConfig:
    """`normal . of <= offset` at every planned step."""

    of: str
    normal: list[float]
    offset: float


@dataclass(frozen=True)
class KeepOutConfig:
    """Every planar point of `of` stays outside a convex polygon [m]."""

    of: str
    polygon: list[tuple[float, float]] | None = None
    """Corners of a convex polygon, either orientation."""
    box: tuple[float, float, float, float] | None = None
    """x_min, y_min, x_max, y_max."""
    margin: float = 0.0
    """The region is grown by this distance [m]."""

    def __post_init__(self) -> None:
        if (self.polygon is None) == (self.box is None):
            raise ConfigError(f"keep_out of '{self.of}': give exactly one of polygon and box")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ConfigError(
                f"keep_out of '{self.of}': box {list(self.box)} is empty, expected x_min, y_min, "
                "x_max, y_max"
            )
        if not 0 <= self.margin < np.inf:
            raise ConfigError(f"keep_out of '{self.of}': margin is {self.margin}, expected >= 0")


@dataclass(frozen=True)
class ConstraintsConfig:
    """All hard constraints; empty by default."""

    boxes: list[BoxConfig] = field(default_factory=list)
    half_spaces: list[HalfSpaceConfig] = field(default_factory=list)
    keep_out: list[KeepOutConfig] = field(default_factory=list)


@dataclass(frozen=True)
class KeepOut:
    """The point `P @ x` must satisfy at least one row of `A p >= b` (rows of unit length).

    Attributes:
        P: Shape (2, nx).
        A: Shape (faces, 2), outward unit normals.
        b: Shape (faces,), margin included.
        weight: what one unit of penetration depth counts in `Constraints.violation`.
    """

    P: np.ndarray
    A: np.ndarray
    b: np.ndarray
    label: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Constraints:
    """Bound constraints.

    Attributes:
        G: Shape (rows, nx); `G x <= h` for x_1..x_H.
        h: Shape (rows,).
        keep_out: one item per point and region.
        labels: what each row of G is, for messages.
        weights: what one unit of each row's excess counts in `violation`. Shape (rows,); None: 1.
    """

    G: np.ndarray
    h: np.ndarray
    keep_out: tuple[KeepOut, ...] = ()
    labels: tuple[str, ...] = ()
    weights: np.ndarray | None = None

    @property
    def empty(self) -> bool:
        """No constraint at all."""
        return len(self.h) == 0 and not self.keep_out

    def violation(self, states: Any, *, weighted: bool = True) -> Any:
        """Summed violation of x_1..x_H (half-space excess and penetration depth).

        Args:
            states: Shape (..., H + 1, nx), numpy or torch.
            weighted: by the weights of constraints.

        Returns:
            Shape (...), 0 where every constraint holds.
        """
        later = states[..., 1:, :]
        excess = (later @ _like(self.G.T, later) - _like(self.h, later)).clip(min=0)
        if weighted and self.weights is not None:
            excess = excess * _like(self.weights, later)
        total = excess.sum(-1).sum(-1)
        for region in self.keep_out:
            weight = region.weight if weighted else 1.0
            total = total + weight * _depth(region, later).sum(-1)
        return total

    @property
    def names(self) -> tuple[str, ...]:
        """What each constraint is: the rows of G, then the keep-out regions."""
        return (*self.labels, *(region.label for region in self.keep_out))

    def excess(self, states: np.ndarray) -> np.ndarray:
        """Violation of every constraint at every state, in the constraint's own units.

        Args:
            states: Shape (..., nx), numpy.

        Returns:
            Shape (..., constraints), ordered as `names`; 0 where a constraint holds.
        """
        parts = [states @ self.G.T - self.h]
        for region in self.keep_out:
            inside = region.b - states @ region.P.T @ region.A.T
            parts.append(inside.min(-1, keepdims=True))
        return np.concatenate(parts, axis=-1).clip(min=0)

    def violated(self, states: np.ndarray) -> np.ndarray:
        """Which constraints are violated at every state by more than solvers tolerate.

        That is 1e-6, or where limit and state are small 2e-6 of them, and at least 1e-12.

        Args:
            states: Shape (..., nx), numpy.

        Returns:
            Shape (..., constraints), bool, ordered as `names`.
        """
        sizes = [np.maximum(abs(states) @ abs(self.G.T), abs(self.h))]
        for region in self.keep_out:
            reach = abs(states) @ abs(region.P.T) @ abs(region.A.T)
            sizes.append(np.maximum(reach, abs(region.b)).max(-1, keepdims=True))
        size = np.concatenate(sizes, axis=-1)
        return self.excess(states) > np.where(size < _SMALL, np.maximum(2e-6 * size, 1e-12), 1e-6)

    def worst(self, states: np.ndarray) -> np.ndarray:
        """Largest violation of one constraint at one step, each in its own unit.

        Args:
            states: Shape (..., H + 1, nx), numpy.

        Returns:
            Shape (...), 0 where every constraint holds.
        """
        return self.excess(states[..., 1:, :]).max((-1, -2), initial=0.0)

    def state_box(self, nx: int) -> tuple[np.ndarray, np.ndarray]:
        """Interval that the axis-aligned rows imply. Two arrays of shape (nx,), maybe infinite."""
        low, high = np.full(nx, -np.inf), np.full(nx, np.inf)
        for row, h in zip(self.G, self.h, strict=True):
            (index,) = np.nonzero(row)
            if len(index) == 1:
                i, value = index[0], h / row[index[0]]
                if row[i] > 0:
                    high[i] = min(high[i], value)
                else:
                    low[i] = max(low[i], value)
        return low, high


def _depth(region: KeepOut, later: Any) -> Any:
    """How deep the point of every state is in a region. Shape (..., H)."""
    point = later @ _like(region.P.T, later)
    inside = _like(region.b, later) - point @ _like(region.A.T, later)
    depth = inside.amin(-1) if hasattr(inside, "amin") else inside.min(-1)
    return depth.clip(min=0)


def bind(config: ConstraintsConfig, names: Mapping[str, slice], nx: int) -> Constraints:
    """Resolve names of a `ConstraintsConfig`.

    Raises:
        ConfigError: unknown names, sizes that do not match, an empty box, a non-convex polygon.
    """
    G, h, labels = [np.zeros((0, nx))], [np.zeros(0)], []
    for box in config.boxes:
        E = matrix(box.of, names, nx)
        low, high = _sized(box.low, E, box.of), _sized(box.high, E, box.of)
        if (low > high).any():
            raise ConfigError(f"box of '{box.of}': low {box.low} is above high {box.high}")
        for sign, limit, word in ((1.0, high, "high"), (-1.0, -low, "low")):
            finite = np.isfinite(limit)
            G.append(sign * E[finite])
            h.append(limit[finite])
            labels += [f"{word} limit of '{box.of}'[{i}]" for i in np.flatnonzero(finite)]
    for half in config.half_spaces:
        E = matrix(half.of, names, nx)
        normal = _sized(half.normal, E, half.of)
        if not (normal.any() and np.isfinite([*normal, half.offset]).all()):
            raise ConfigError(f"half-space of '{half.of}': normal is zero or not finite")
        G.append((normal @ E)[None])
        h.append(np.array([half.offset]))
        labels.append(f"half-space of '{half.of}'")
    regions = [k for c in config.keep_out for k in _keep_out(c, names, nx)]
    return Constraints(np.concatenate(G), np.concatenate(h), tuple(regions), tuple(labels))


def _sized(values: float | list[float], E: np.ndarray, of: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(len(E), float(array))
    if array.shape != (len(E),):
        raise ConfigError(f"constraint of '{of}': expected {len(E)} values, got {array.shape[0]}")
    if np.isnan(array).any():
        raise ConfigError(f"constraint of '{of}': a limit is nan")
    return array


def _keep_out(config: KeepOutConfig, names: Mapping[str, slice], nx: int) -> list[KeepOut]:
    E = matrix(config.of, names, nx)
    if len(E) % 2:
        raise ConfigError(f"keep_out of '{config.of}': needs planar points, got {len(E)} entries")
    if config.box is not None:
        x0, y0, x1, y1 = config.box
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    else:
        corners = np.asarray(config.polygon, dtype=np.float64)
    A, b = _faces(corners, config.of)
    points = E.reshape(-1, 2, nx)
    return [
        KeepOut(P, A, b + config.margin, f"keep-out of '{config.of}' point {i}")
        for i, P in enumerate(points)
    ]


def _faces(corners: np.ndarray, of: str) -> tuple[np.ndarray, np.ndarray]:
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
