"""Constraints on planned states: boxes, half-spaces and keep-out regions of planar points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from sparsectl.task.arrays import join, like
from sparsectl.task.keep_out import Batch, KeepOut, KeepOutConfig, batches, check_price
from sparsectl.task.reference import Reference, When, changes, check

_SMALL = 2.0**-6
"""Below this size tolerances are relative."""


@dataclass(frozen=True)
class BoxConfig:
    """`low <= of <= high` at planned steps."""

    of: str
    low: Reference
    high: Reference
    when: When = "always"
    """Planned steps at which it holds."""
    price: float | None = None
    """Cost of a unit of violation and step; None: a hard constraint."""

    def __post_init__(self) -> None:
        check_price(self.price, f"box of '{self.of}'")
        check(self.when, f"box of '{self.of}'")


@dataclass(frozen=True)
class HalfSpaceConfig:
    """`normal . of <= offset` at planned steps."""

    of: str
    normal: list[float]
    offset: float
    when: When = "always"
    """Planned steps at which it holds."""
    price: float | None = None
    """Cost of a unit of violation and step; None: a hard constraint."""

    def __post_init__(self) -> None:
        check_price(self.price, f"half-space of '{self.of}'")
        check(self.when, f"half-space of '{self.of}'")


@dataclass(frozen=True)
class ConstraintsConfig:
    """All constraints; empty by default."""

    boxes: list[BoxConfig] = field(default_factory=list)
    half_spaces: list[HalfSpaceConfig] = field(default_factory=list)
    keep_out: list[KeepOutConfig] = field(default_factory=list)
    coverage: float | None = None
    """Hard constraints are drawn in so that the real state keeps each of them, at each planned
    step, with this probability, as far as the model's errors on held-out rollouts tell; see
    `task.margins` for what that means and costs. None: they are planned with as they are."""
    coverage_steps: int | None = None
    """Planned steps that `coverage` is about; later ones are drawn in as the last of these is, and
    promise nothing. 1: up to the next decision, which is all that is ever done of a plan. None: all
    steps, of which late ones may leave nothing to plan in where errors grow."""

    @property
    def prices(self) -> list[float | None]:
        """Of all constraints; None: a hard one."""
        prices = [box.price for box in self.boxes] + [half.price for half in self.half_spaces]
        return prices + [region.price for region in self.keep_out]

    def check_windows(self, steps: int) -> None:
        """Refuse windows that open after the last of so many steps of an episode.

        Raises:
            ConfigError: naming the first one.
        """
        for name in ("boxes", "half_spaces", "keep_out"):
            for i, item in enumerate(getattr(self, name)):
                check(item.when, f"task.constraints.{name}.{i} of '{item.of}'", steps)

    @property
    def changes(self) -> bool:
        """Whether some constraint depends on the decision."""
        return (
            any(b.when != "always" for b in self.boxes)
            or any(h.when != "always" for h in self.half_spaces)
            or any(changes(b.low) or changes(b.high) for b in self.boxes)
            or any(k.changes for k in self.keep_out)
        )

    @property
    def without_margins(self) -> ConstraintsConfig:
        """The same, planned with as they are."""
        return replace(self, coverage=None, coverage_steps=None)

    @property
    def before_the_end(self) -> ConstraintsConfig:
        """Those that hold not only at the last planned step."""
        return replace(
            self,
            boxes=[b for b in self.boxes if b.when != "terminal"],
            half_spaces=[h for h in self.half_spaces if h.when != "terminal"],
            keep_out=[k for k in self.keep_out if k.when != "terminal"],
        )

    @property
    def lasting(self) -> ConstraintsConfig:
        """The hard ones that are the same in every decision."""
        boxes = [b for b in self.boxes if not (changes(b.low) or changes(b.high))]
        return ConstraintsConfig(
            [b for b in boxes if b.price is None and b.when == "always"],
            [h for h in self.half_spaces if h.price is None and h.when == "always"],
            [k for k in self.keep_out if k.price is None and not k.changes],
        )


@dataclass(frozen=True)
class Constraints:
    """Bound constraints.

    Attributes:
        G: Shape (rows, nx); `G x <= h` for x_1..x_H.
        h: Shape (rows,), or (H, rows) for steps 1..H; inf at steps at which a row does not hold.
        keep_out: one item per point and region.
        labels: what each row of G is, for messages.
        weights: what one unit of each row's excess counts in `violation`. Shape (rows,); None: 1.
        terminal: rows that are about the end of plans. Shape (rows,), bool; None: there are none.
    """

    G: np.ndarray
    h: np.ndarray
    keep_out: tuple[KeepOut, ...] = ()
    labels: tuple[str, ...] = ()
    weights: np.ndarray | None = None
    terminal: np.ndarray | None = None

    @property
    def empty(self) -> bool:
        """No constraint at all."""
        return len(self.G) == 0 and not self.keep_out

    @property
    def prices(self) -> np.ndarray:
        """Weight of every row. Shape (rows,)."""
        return np.ones(len(self.G)) if self.weights is None else self.weights

    def sides(self, horizon: int) -> np.ndarray:
        """Right-hand sides at steps 1..H. Shape (H, rows)."""
        return np.broadcast_to(self.h, (horizon, len(self.G)))

    def first(self, steps: int) -> Constraints:
        """The constraints of the first steps only."""
        regions = tuple(
            region if region.b.ndim == 1 else replace(region, b=region.b[: steps + 1])
            for region in self.keep_out
        )
        h = self.h if self.h.ndim == 1 else self.h[:steps]
        return replace(self, h=h, keep_out=regions)

    def violation(self, states: Any, *, weighted: bool = True) -> Any:
        """Summed violation of x_1..x_H (half-space excess and penetration depth).

        Args:
            states: Shape (..., H + 1, nx), numpy or torch.
            weighted: by the weights of constraints.

        Returns:
            Shape (...), 0 where every constraint holds.
        """
        later = states[..., 1:, :]
        excess = (later @ like(self.G.T, later) - like(self.h, later)).clip(min=0)
        if weighted and self.weights is not None:
            excess = excess * like(self.weights, later)
        total = excess.sum(-1).sum(-1)
        flat = states.reshape(math.prod(states.shape[:-2]), *states.shape[-2:])
        for batch in self._batches:
            sizes = np.array([self.keep_out[i].weight for i in batch.index])
            weights = like(sizes if weighted else np.ones(len(sizes)), states)
            parts = [weights @ depth.sum(-1) for _, depth in batch.parts(flat)]
            total = total + join(parts, 0).reshape(total.shape)
        return total

    @cached_property
    def _batches(self) -> list[Batch]:
        return batches(self.keep_out)

    @property
    def names(self) -> tuple[str, ...]:
        """What each constraint is: the rows of G, then the keep-out regions."""
        return (*self.labels, *(region.label for region in self.keep_out))

    def excess(self, states: np.ndarray) -> np.ndarray:
        """Violation of every constraint at every step, in the constraint's own units.

        Args:
            states: of steps 0..H, numpy. Shape (..., H + 1, nx).

        Returns:
            Shape (..., H, constraints), ordered as `names`; 0 where a constraint holds.
        """
        rows = (states[..., 1:, :] @ self.G.T - self.h).clip(min=0)
        if not self.keep_out:
            return rows
        excess = np.empty((*rows.shape[:-1], len(self.G) + len(self.keep_out)))
        excess[..., : len(self.G)] = rows
        flat = states.reshape(math.prod(states.shape[:-2]), *states.shape[-2:])
        regions = excess.reshape(len(flat), *excess.shape[-2:])
        for batch in self._batches:
            for those, depth in batch.parts(flat):
                regions[those, :, len(self.G) + batch.index] = np.moveaxis(depth, 0, -1)
        return excess

    def violated(self, states: np.ndarray) -> np.ndarray:
        """Which constraints are violated at every step by more than solvers tolerate.

        That is 1e-6, or where limit and state are small 2e-6 of them, and at least 1e-12.

        Args:
            states: of steps 0..H, numpy. Shape (..., H + 1, nx).

        Returns:
            Shape (..., H, constraints), bool, ordered as `names`.
        """
        later, horizon = abs(states[..., 1:, :]), states.shape[-2] - 1
        sizes = [np.maximum(later @ abs(self.G.T), _finite(self.h))]
        for region in self.keep_out:
            reach = later @ abs(region.P.T) @ abs(region.A.T)
            sides = _finite(region.sides(horizon)[1:])
            sizes.append(np.maximum(reach, sides).max(-1, keepdims=True))
        size = np.concatenate(sizes, axis=-1)
        return self.excess(states) > np.where(size < _SMALL, np.maximum(2e-6 * size, 1e-12), 1e-6)

    def worst(self, states: np.ndarray) -> np.ndarray:
        """Largest violation of one constraint at one step, each in its own unit.

        Args:
            states: Shape (..., H + 1, nx), numpy.

        Returns:
            Shape (...), 0 where every constraint holds.
        """
        return self.excess(states).max((-1, -2), initial=0.0)

    def state_box(self, nx: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """Interval that the axis-aligned rows imply at steps 1..H.

        Two arrays of shape (H, nx), maybe infinite.
        """
        low, high = np.full((horizon, nx), -np.inf), np.full((horizon, nx), np.inf)
        for row, h in zip(self.G, self.sides(horizon).T, strict=True):
            (index,) = np.nonzero(row)
            if len(index) == 1:
                i, value = index[0], h / row[index[0]]
                if row[i] > 0:
                    high[:, i] = np.minimum(high[:, i], value)
                else:
                    low[:, i] = np.maximum(low[:, i], value)
        return low, high


def _finite(sides: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(sides), abs(sides), 0.0)
