"""Bounds of costs and constraints, from bounds of the linear forms of the state that they read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Norm, Term
from sparsectl.task.keep_out import KeepOut


@dataclass(frozen=True)
class Measures:
    """What a problem asks of s_0..s_H, as functions of K linear forms of s = [x; u].

    Attributes:
        forms: Shape (K, nx + nu).
        limits: rows of `forms` that the hard constraints read, in their order.
        terms: distances with their rows; the cost of actions is one more.
        prices: rows that the priced constraints read, or None.
        wanted: forms that some cost or constraint reads at every step. Shape (H + 1, K), bool.
    """

    problem: Problem
    forms: np.ndarray
    limits: list[np.ndarray]
    terms: list[tuple[Term, np.ndarray]]
    prices: list[np.ndarray] | None
    wanted: np.ndarray

    @classmethod
    def of(cls, problem: Problem, *, cost: bool = True) -> Measures:
        """All that a problem asks, or only its hard constraints.

        Raises:
            ConfigError: a value network stands at the end of the plan.
        """
        if cost and problem.cost.value is not None:
            raise ConfigError(
                "verify bounds the task's own cost, without a value network at the end of the "
                "plan: leave out task.cost.value"
            )
        horizon, nx, nu = problem.horizon, problem.nx, problem.nu
        blocks: list[np.ndarray] = [np.zeros((0, nx + nu))]
        wanted: list[np.ndarray] = [np.zeros((horizon + 1, 0), dtype=bool)]

        def add(over_x: np.ndarray, there: np.ndarray) -> np.ndarray:
            start = sum(map(len, blocks))
            blocks.append(np.concatenate([over_x, np.zeros((len(over_x), nu))], axis=1))
            wanted.append(there)
            return np.arange(start, start + len(over_x))

        def rows_of(constraints: Constraints) -> list[np.ndarray]:
            there = np.isfinite(constraints.sides(horizon))
            rows = [add(constraints.G, np.concatenate([there[:1] & False, there]))]
            for region in constraints.keep_out:
                sides = np.isfinite(region.sides(horizon))
                rows.append(add(region.A @ region.P, sides))
            return rows

        limits = rows_of(problem.constraints)
        terms: list[tuple[Term, np.ndarray]] = []
        prices = None
        if cost:
            for term in problem.cost.terms:
                there = np.concatenate([[False], term.weights(horizon) > 0])
                there = np.repeat(there[:, None], len(term.E), axis=1)
                terms.append((term, add(term.E, there)))
            if problem.cost.action_weight > 0:
                terms.append(_of_actions(problem, blocks, wanted))
            if problem.cost.priced is not None:
                prices = rows_of(problem.cost.priced)
        every = np.concatenate(wanted, axis=1)
        return cls(problem, np.concatenate(blocks), limits, terms, prices, every)

    def excess(self, low: np.ndarray, high: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of every hard constraint's violation at step t, negative ones as they are.

        Args:
            low, high: bounds of the forms at steps 0..t. Shape (B, t + 1 or more, K).
            t: from 1 on.

        Returns:
            Two arrays of shape (B, constraints), ordered as `Constraints.names`.
        """
        return _excess(self.problem.constraints, self.limits, low, high, t, self.problem.horizon)

    def cost_lines(
        self, low: np.ndarray, high: np.ndarray
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Linear functions of the forms below and above the cost.

        Args:
            low, high: bounds of the forms. Shape (B, H + 1, K).

        Returns:
            (slopes, constants) of the lower and of the upper one, shapes (B, H, K) and (B,).
        """
        batch, horizon = len(low), self.problem.horizon
        slopes = np.zeros((2, batch, horizon, len(self.forms)))
        constants = np.zeros((2, batch))
        for term, rows in self.terms:
            l, h = low[:, 1:, rows], high[:, 1:, rows]  # noqa: E741
            targets, weights = term.targets(horizon), term.weights(horizon)
            l, h = l - targets, h - targets  # noqa: E741
            if term.norm == "linf":
                pair = _largest(l, h, term.dead_zone)
            elif term.norm == "l1" and term.dead_zone and len(rows) > 1:
                pair = _summed(l, h, term.dead_zone)
            else:
                shape = (term.norm, term.dead_zone)
                pair = _tangent(l, h, *shape), _chord(l, h, *shape)
            for k, (slope, constant) in enumerate(pair):
                slopes[k][..., rows] += weights[:, None] * slope
                offset = constant.sum(-1) - (slope * targets).sum(-1)
                constants[k] += (weights * offset).sum(-1)
        if self.prices is not None and self.problem.cost.priced is not None:
            self._add_prices(low, high, slopes, constants)
        return (slopes[0], constants[0]), (slopes[1], constants[1])

    def _add_prices(
        self, low: np.ndarray, high: np.ndarray, slopes: np.ndarray, constants: np.ndarray
    ) -> None:
        priced = self.problem.cost.priced
        assert priced is not None
        assert self.prices is not None
        rows, sides = self.prices[0], priced.sides(self.problem.horizon)
        there = np.isfinite(sides)
        side = np.where(there, sides, 0.0)
        price = np.where(there, priced.prices, 0.0)
        l, h = low[:, 1:, rows] - side, high[:, 1:, rows] - side  # noqa: E741
        for k, line in enumerate((_tangent, _chord)):
            slope, constant = line(l, h, "hinge", 0.0)
            slopes[k][..., rows] += price * slope
            constants[k] += (price * (constant - slope * side)).sum((-1, -2))
        weights = np.array([region.weight for region in priced.keep_out])
        for t in range(1, self.problem.horizon + 1):
            found = _excess(priced, self.prices, low, high, t, self.problem.horizon)
            for k, depth in enumerate(found):
                constants[k] += np.maximum(depth[:, len(rows) :], 0.0) @ weights


def _of_actions(
    problem: Problem, blocks: list[np.ndarray], wanted: list[np.ndarray]
) -> tuple[Term, np.ndarray]:
    """The cost of actions as a distance of s, whose last entries are the action before it."""
    E, g = problem.cost.action_form(problem.nu)
    start = sum(map(len, blocks))
    blocks.append(np.concatenate([np.zeros((len(E), problem.nx)), E], axis=1))
    there = np.ones((problem.horizon + 1, len(E)), dtype=bool)
    there[0] = False
    wanted.append(there)
    weight, norm = problem.cost.action_weight, problem.cost.action_norm
    return Term(E, g, norm, weight, weight), np.arange(start, start + len(E))


def _excess(
    constraints: Constraints,
    rows: list[np.ndarray],
    low: np.ndarray,
    high: np.ndarray,
    t: int,
    horizon: int,
) -> tuple[np.ndarray, np.ndarray]:
    side = constraints.sides(horizon)[t - 1]
    there, known = np.isfinite(side), np.where(np.isfinite(side), side, 0.0)
    least, most = ([np.where(there, v[:, t, rows[0]] - known, -np.inf)] for v in (low, high))
    for region, own in zip(constraints.keep_out, rows[1:], strict=True):
        for found, bound in zip(
            (least, most), _depth(region, own, low, high, t, horizon), strict=True
        ):
            found.append(bound[:, None])
    return np.concatenate(least, axis=1), np.concatenate(most, axis=1)


def _depth(
    region: KeepOut, rows: np.ndarray, low: np.ndarray, high: np.ndarray, t: int, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the depth on the way to step t, see `KeepOut.depth`. Two arrays of shape (B,)."""
    sides = region.sides(horizon)

    def inside(s: int) -> tuple[np.ndarray, np.ndarray]:
        there, known = np.isfinite(sides[s]), np.where(np.isfinite(sides[s]), sides[s], 0.0)
        depths = (known - v[:, s, rows] for v in (high, low))
        least, most = (np.where(there, depth, -np.inf) for depth in depths)
        return least, most

    least, most = inside(t)
    if region.between:
        before, upto = inside(t - 1)
        if t == 1:
            # The first step is charged only for what the present point does not excuse.
            excused = (np.maximum(bound.min(-1, keepdims=True), 0.0) for bound in (before, upto))
            few, many = excused
            before, upto = before - many, upto - few
        least, most = np.maximum(least, before), np.maximum(most, upto)
    return least.min(-1), most.min(-1)


def _value(e: np.ndarray, norm: Norm | str, dead_zone: float) -> np.ndarray:
    """A convex function of one number."""
    if norm == "l2sq":
        return e * e
    if norm == "hinge":
        return np.maximum(e, 0.0)
    return np.maximum(abs(e) - dead_zone, 0.0)


def _slope(e: np.ndarray, norm: Norm | str, dead_zone: float) -> np.ndarray:
    if norm == "l2sq":
        return 2 * e
    if norm == "hinge":
        return (e > 0).astype(np.float64)
    return np.sign(e) * (abs(e) > dead_zone)


def _chord(
    low: np.ndarray, high: np.ndarray, norm: Norm | str, dead_zone: float
) -> tuple[np.ndarray, np.ndarray]:
    """The line above a convex function between two numbers: slope and constant."""
    at_low, at_high = _value(low, norm, dead_zone), _value(high, norm, dead_zone)
    wide = high - low > 1e-12 * (1e-300 + abs(low) + abs(high))
    slope = np.where(wide, (at_high - at_low) / np.where(wide, high - low, 1.0), 0.0)
    constant = np.maximum(at_low - slope * low, at_high - slope * high)
    return slope, constant


def _tangent(
    low: np.ndarray, high: np.ndarray, norm: Norm | str, dead_zone: float
) -> tuple[np.ndarray, np.ndarray]:
    """A line below it: slope and constant."""
    middle = (low + high) / 2
    slope = _slope(middle, norm, dead_zone)
    return slope, _value(middle, norm, dead_zone) - slope * middle


def _largest(
    low: np.ndarray, high: np.ndarray, dead_zone: float
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Lines below and above max(0, max_i |e_i| - dead_zone): slopes and constants per entry."""
    first = abs(low + high).argmax(-1)[..., None]
    there = np.arange(low.shape[-1]) == first
    below = [np.where(there, line, 0.0) for line in _tangent(low, high, "l1", dead_zone)]
    size, least = np.maximum(abs(low), abs(high)), np.maximum(np.maximum(low, -high), 0.0)
    rest = np.where(there, -np.inf, size).max(-1, keepdims=True)
    alone = there & (np.take_along_axis(least, first, -1) >= rest)
    slope, constant = _chord(low, high, "l1", dead_zone)
    level = np.maximum(size.max(-1, keepdims=True) - dead_zone, 0.0)
    known = alone.any(-1, keepdims=True)
    above = (
        np.where(alone, slope, 0.0),
        np.where(known, np.where(alone, constant, 0.0), np.where(there, level, 0.0)),
    )
    return (below[0], below[1]), above


def _summed(
    low: np.ndarray, high: np.ndarray, dead_zone: float
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The same of max(0, sum_i |e_i| - dead_zone), of the hinge of a sum."""
    pair, size = [], low.shape[-1]
    least, most = np.maximum(np.maximum(low, -high), 0.0), np.maximum(abs(low), abs(high))
    middle = abs(low + high).sum(-1) / 2 - dead_zone
    ends = least.sum(-1) - dead_zone, most.sum(-1) - dead_zone
    of_each = _tangent(low, high, "l1", 0.0), _chord(low, high, "l1", 0.0)
    of_all = _tangent(middle, middle, "hinge", 0.0), _chord(*ends, "hinge", 0.0)
    for (slope, constant), (steep, level) in zip(of_each, of_all, strict=True):
        shared = (level - steep * dead_zone)[..., None] / size
        pair.append((steep[..., None] * slope, steep[..., None] * constant + shared))
    return pair[0], pair[1]
