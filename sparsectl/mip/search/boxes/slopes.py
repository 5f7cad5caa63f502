"""Convex cost and linear constraints as the largest of linear forms, for dual bounds.

Every convex part f(e) of the cost, e = E x + F u - g, is at least s'e - f*(s) for any slope s
(Fenchel), and every constraint row may be added with a multiplier >= 0. So each choice of slopes
turns the problem into a linear one whose optimum is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem
from sparsectl.task.cost import Norm


@dataclass(frozen=True)
class _Group:
    """Slopes of one distance with a conjugate of its own."""

    norm: Norm
    span: slice
    weight: float
    dead_zone: float


@dataclass
class Slopes:
    """All slopes of one problem, in one vector s of length n.

    Attributes:
        E: over states x_1..x_H. Shape (n, H nx).
        F: over actions. Shape (n, H nu).
        g: targets and right-hand sides. Shape (n,).
        low, high: range of every slope. Shape (n,).
        start: a sensible choice. Shape (n,).
    """

    E: np.ndarray
    F: np.ndarray
    g: np.ndarray
    low: np.ndarray
    high: np.ndarray
    start: np.ndarray
    _groups: list[_Group] = field(default_factory=list)

    def move(self, s: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Nearest allowed slopes after a step. Shapes (..., n).

        On a face of the largest norm's ball a slope stops at 0: past it lies another face.
        """
        moved = np.clip(s + step, self.low, self.high)
        for group in self._groups:
            if group.norm == "linf":
                before, after = s[..., group.span], moved[..., group.span]
                after = np.where(before * after < 0, 0.0, after)
                moved[..., group.span] = _onto_ball(after, group.weight)
        return moved

    def allowed(self, gradient: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Without the directions that leave the allowed slopes at once: steps get longer."""
        out = ((s <= self.low) & (gradient < 0)) | ((s >= self.high) & (gradient > 0))
        gradient = np.where(out, 0.0, gradient)
        for group in self._groups:
            if group.norm == "linf":
                part = gradient[..., group.span]
                gradient[..., group.span] = _along(part, s[..., group.span], group.weight)
        return gradient

    @property
    def smooth(self) -> np.ndarray:
        """Twice the weight where f is quadratic (its best slope is that times e), else 0. (n,)."""
        scale = np.zeros(len(self.g))
        for group in self._groups:
            if group.norm == "l2sq":
                scale[group.span] = 2 * group.weight
        return scale

    @property
    def separate(self) -> np.ndarray:
        """Which slopes are of absolute values, each for itself. Shape (n,)."""
        alone = np.isfinite(self.high)
        for group in self._groups:
            alone[group.span] = False
        return alone

    def conjugate(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum of f*(s) (...,) and a subgradient of it (..., n)."""
        total, gradient = np.zeros(s.shape[:-1]), np.zeros_like(s)
        for group in self._groups:
            part = s[..., group.span]
            if group.norm == "l2sq":
                total = total + (part * part).sum(-1) / (4 * group.weight)
                gradient[..., group.span] = part / (2 * group.weight)
            elif group.norm == "linf":
                total = total + group.dead_zone * abs(part).sum(-1)
                gradient[..., group.span] = group.dead_zone * np.sign(part)
            else:
                size = abs(part)
                total = total + group.dead_zone * size.max(-1)
                largest = size == size.max(-1, keepdims=True)
                first = largest & (np.cumsum(largest, axis=-1) == 1)
                gradient[..., group.span] = group.dead_zone * np.sign(part) * first
        return total, gradient


def build(problem: Problem, bounds: HorizonBounds, extra: int = 0) -> Slopes:
    """Slopes of a problem; constraint rows that cannot bind inside the bounds are left out.

    Args:
        bounds: sound bounds over the whole action box.
        extra: multipliers to append, of inequalities that differ between boxes.
    """
    horizon, nx, nu = problem.horizon, problem.nx, problem.nu
    forms: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    ranges: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    groups: list[_Group] = []

    def distance(t, over_x, matrix, target, norm, weight, dead_zone, low, high) -> None:
        k = len(matrix)
        E, F = np.zeros((k, horizon, nx)), np.zeros((k, horizon, nu))
        (E if over_x else F)[:, t] = matrix
        forms.append((E.reshape(k, horizon * nx), F.reshape(k, horizon * nu), target))
        e_low = np.maximum(matrix, 0) @ low + np.minimum(matrix, 0) @ high - target
        e_high = np.maximum(matrix, 0) @ high + np.minimum(matrix, 0) @ low - target
        if norm == "l2sq":
            limit, start = np.full(k, np.inf), weight * (e_low + e_high)
        else:
            limit, start = np.full(k, weight), _chord(e_low, e_high) * weight
            start = start / max(k, 1) if norm == "linf" else start
        if norm != "l1" or dead_zone > 0:
            at = sum(len(f[2]) for f in forms) - k
            groups.append(_Group(norm, slice(at, at + k), weight, dead_zone))
        ranges.append((-limit, limit, start))

    for term in problem.cost.terms:
        targets = term.targets(horizon)
        for t, weight in enumerate(term.weights(horizon)):
            if weight > 0 and len(term.E):
                low, high = bounds.x_low[t + 1], bounds.x_high[t + 1]
                distance(t, True, term.E, targets[t], term.norm, weight, term.dead_zone, low, high)
    if problem.cost.action_weight > 0:
        action_E, action_g = problem.cost.action_form(nu)
        for t in range(horizon):
            distance(
                t, False, action_E, action_g, problem.cost.action_norm,
                problem.cost.action_weight, 0.0, bounds.u_low[t], bounds.u_high[t],
            )  # fmt: skip
    G = problem.constraints.G
    for t, h in enumerate(problem.constraints.sides(horizon)):
        low, high = bounds.x_low[t + 1], bounds.x_high[t + 1]
        rows = np.flatnonzero(np.maximum(G, 0) @ high + np.minimum(G, 0) @ low > h)
        placed = np.zeros((len(rows), horizon, nx))
        placed[:, t] = G[rows]
        zero = np.zeros(len(rows))
        over_x = placed.reshape(len(rows), horizon * nx)
        forms.append((over_x, np.zeros((len(rows), horizon * nu)), h[rows]))
        ranges.append((zero, zero + np.inf, zero))
    zero = np.zeros(extra)
    forms.append((np.zeros((extra, horizon * nx)), np.zeros((extra, horizon * nu)), zero))
    ranges.append((zero, zero + np.inf, zero))
    E, F, g = (np.concatenate([f[i] for f in forms]) for i in range(3))
    low, high, start = (np.concatenate([r[i] for r in ranges]) for i in range(3))
    return Slopes(E, F, g, low, high, start, groups)


def _onto_ball(s: np.ndarray, size: float) -> np.ndarray:
    """Projection onto {|s|_1 <= size} (Duchi et al. 2008). Shape (..., k)."""
    magnitude = abs(s)
    falling = -np.sort(-magnitude, axis=-1)
    excess = (np.cumsum(falling, axis=-1) - size) / np.arange(1, s.shape[-1] + 1)
    used = np.maximum((falling > excess).sum(-1, keepdims=True), 1)
    shift = np.take_along_axis(excess, used - 1, axis=-1)
    return np.sign(s) * np.maximum(magnitude - np.maximum(shift, 0.0), 0.0)


def _along(gradient: np.ndarray, s: np.ndarray, size: float) -> np.ndarray:
    """The part of a gradient that moves along the face of {|s|_1 <= size} that s is on."""
    side = np.sign(s)
    outward = (gradient * side).sum(-1, keepdims=True)
    outward = outward / np.maximum(abs(side).sum(-1, keepdims=True), 1)
    on = (abs(s).sum(-1, keepdims=True) >= size * (1 - 1e-9)) & (outward > 0)
    rest = np.sign(gradient) * np.maximum(abs(gradient) - outward, 0.0)
    return np.where(on, np.where(side != 0, gradient - side * outward, rest), gradient)


def _chord(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Slope in [-1, 1] of the chord of |e| over [low, high]."""
    chord = (high + low) / np.maximum(high - low, 1e-12)
    return np.where(low >= 0, 1.0, np.where(high <= 0, -1.0, chord))
