"""Lower bounds of the cost over a batch of action boxes, by dual ascent.

With the upper lines of the neurons fixed, every choice of cost slopes s and lower-line slopes
alpha gives a bound that is linear in the actions (alpha-CROWN, Xu et al. 2021). A few steps of
Polyak's rule towards the cutoff find a good choice; every iterate also cuts the box, because
plans cheaper than the cutoff lie where its linear bound allows them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.mip.search.boxes.keep_out import Rows
from sparsectl.mip.search.boxes.relaxation import Relaxation
from sparsectl.mip.search.boxes.slopes import Slopes
from sparsectl.program.crown import Lines, through_neurons

_AVERAGE = 0.3
"""Weight of the newest minimiser in the running mean of them."""


@dataclass
class Bounded:
    """Result over a batch of boxes.

    Attributes:
        value: lower bounds. Shape (B,).
        lower: lower-line slopes of the best bound. Shape (B, H, m).
        slopes: cost slopes of the best bound. Shape (B, n).
        weight: coefficient of every neuron's output there. Shape (B, H, m).
        u_low, u_high: the part of the box that can hold plans below the cutoff. (B, H, nu).
        actions: mean minimiser, a promising plan. Shape (B, H, nu).
    """

    value: np.ndarray
    lower: np.ndarray
    slopes: np.ndarray
    weight: np.ndarray
    u_low: np.ndarray
    u_high: np.ndarray
    actions: np.ndarray


@dataclass
class _State:
    """What the ascent works on: the boxes that are still below the cutoff."""

    index: np.ndarray
    center: np.ndarray
    radius: np.ndarray
    unstable: np.ndarray
    upper: np.ndarray
    offset: np.ndarray
    lower: np.ndarray
    slopes: np.ndarray
    direction: np.ndarray
    side: np.ndarray

    def keep(self, mask: np.ndarray) -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name)[mask])


def ascend(
    relaxation: Relaxation,
    slopes: Slopes,
    lines: Lines,
    u_low: np.ndarray,
    u_high: np.ndarray,
    start: np.ndarray,
    cutoff: float,
    iterations: int,
    points: np.ndarray | None = None,
    rows: Rows | None = None,
) -> Bounded:
    """Bound every box; boxes that reach the cutoff are left at once.

    Args:
        relaxation, slopes: the problem.
        lines: relaxations of the neurons; `lines.lower` is where alpha starts.
        u_low, u_high: boxes. Shape (B, H, nu).
        start: where the cost slopes start. Shape (B, n).
        cutoff: plans that cost more are of no interest; may be infinite.
        iterations: steps of ascent.
        points, rows: inequalities of the boxes; the last slopes are their multipliers.
    """
    batch = len(u_low)
    state = _State(
        np.arange(batch), (u_low + u_high) / 2, (u_high - u_low) / 2, lines.unstable,
        lines.upper, lines.offset, lines.lower.copy(), start.copy(),
        np.zeros((batch, 0, 2)) if rows is None else rows.direction,
        np.zeros((batch, 0)) if rows is None else rows.side,
    )  # fmt: skip
    points = np.zeros((0, slopes.E.shape[1])) if points is None else points
    value, linear, weight = _evaluate(relaxation, slopes, state, points)
    _start_anew(relaxation, slopes, state, points, value, linear, weight)
    best = Bounded(
        value.copy(), state.lower.copy(), state.slopes.copy(), weight.copy(),
        u_low.copy(), u_high.copy(), state.center.copy(),
    )  # fmt: skip
    target = cutoff if np.isfinite(cutoff) else float(value.max() + 0.5 * abs(value).max() + 1e-3)
    smooth = slopes.smooth
    for k in range(iterations):
        _cut(best, state, value, linear, target if np.isfinite(cutoff) else np.inf)
        open_ = best.value[state.index] < target
        if not open_.all():
            state.keep(open_)
            value, linear, weight = value[open_], linear[open_], weight[open_]
        if len(state.index) == 0:
            break
        corner = state.center - np.sign(linear) * state.radius
        mean = best.actions[state.index]
        best.actions[state.index] = mean + _AVERAGE * (corner - mean)
        rate = smooth / (k + 2)
        _step(relaxation, slopes, state, points, value, weight, corner, target, rate)
        value, linear, weight = _evaluate(relaxation, slopes, state, points)
        better = value > best.value[state.index]
        i = state.index[better]
        best.value[i], best.weight[i] = value[better], weight[better]
        best.lower[i], best.slopes[i] = state.lower[better], state.slopes[better]
    if len(state.index) and np.isfinite(cutoff):
        _cut(best, state, value, linear, target)
    return best


def _start_anew(
    relaxation: Relaxation, slopes: Slopes, state: _State, points: np.ndarray,
    value: np.ndarray, linear: np.ndarray, weight: np.ndarray,
) -> None:  # fmt: skip
    """Slopes of distances as they are at the middle of the box, where those bound it better.

    In a small box they are the best ones, which steps reach slowly where some residuals are much
    larger than others.
    """
    states = relaxation.program.rollout(relaxation.x0, state.center)[:, 1:]
    batch, before = len(value), state.slopes
    residual = states.reshape(batch, -1) @ slopes.E.T + state.center.reshape(batch, -1) @ slopes.F.T
    signs, alone = np.sign(residual - slopes.g), slopes.separate
    state.slopes = np.where(alone, signs * np.where(alone, slopes.high, 0.0), before)
    other = _evaluate(relaxation, slopes, state, points)
    better = other[0] > value
    state.slopes = np.where(better[:, None], state.slopes, before)
    for old, new in zip((value, linear, weight), other, strict=True):
        old[better] = new[better]


def _evaluate(
    relaxation: Relaxation, slopes: Slopes, state: _State, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bound (B,), its slopes in the actions (B, H, nu), neuron coefficients (B, H, m)."""
    program, nx = relaxation.program, relaxation.nx
    horizon, batch = relaxation.horizon, len(state.index)
    over_states = state.slopes @ slopes.E
    linear = (state.slopes @ slopes.F).reshape(batch, horizon, relaxation.nu)
    constant = -(state.slopes @ slopes.g) - slopes.conjugate(state.slopes)[0]
    if len(points):
        multiplier = state.slopes[:, -state.side.shape[1] :]
        scaled = (multiplier[..., None] * state.direction).reshape(batch, -1)
        over_states = over_states - scaled @ points
        constant = constant + (multiplier * state.side).sum(1)
    over_states = over_states.reshape(batch, horizon, nx)
    weight, over_x = np.zeros((batch, horizon, relaxation.m)), np.zeros((batch, nx))
    for t in range(horizon - 1, -1, -1):
        over_x = over_x + over_states[:, t]
        constant = constant + over_x @ program.d
        line = state.lower[:, t], state.upper[:, t], state.offset[:, t], None
        form, constant = through_neurons(
            program, line, over_x @ program.output, constant, program.m, weight[:, t]
        )
        linear[:, t] += form[:, nx:]
        over_x = form[:, :nx]
    value = constant + over_x @ relaxation.x0
    value = value + (linear * state.center - abs(linear) * state.radius).sum((1, 2))
    return value, linear, weight


def _step(
    relaxation: Relaxation, slopes: Slopes, state: _State, points: np.ndarray,
    value: np.ndarray, weight: np.ndarray, corner: np.ndarray, target: float, smooth: np.ndarray,
) -> None:  # fmt: skip
    """One step of Polyak's rule in (alpha, s); the supergradient comes from a relaxed rollout.

    Slopes of quadratic parts go straight towards their best value at the relaxed minimiser,
    `smooth` (n,) being the length of that step over the gradient, where it is not 0.
    """
    batch, program = len(corner), relaxation.program
    x = np.broadcast_to(relaxation.x0, (batch, relaxation.nx))
    pre, states = np.empty_like(weight), np.empty((batch, relaxation.horizon, relaxation.nx))
    for t in range(relaxation.horizon):
        known = np.concatenate([x, corner[:, t]], axis=1)
        for level in program.levels:
            a = known @ level.A.T + level.b
            rows = (slice(None), t, slice(level.start, level.stop))
            upper = state.upper[rows] * a + state.offset[rows]
            z = np.where(weight[rows] >= 0, state.lower[rows] * a, upper)
            pre[rows] = a
            known = np.concatenate([known, z], axis=1)
        x = known @ program.output.T + program.d
        states[:, t] = x
    flat = states.reshape(batch, -1)
    by_slope = flat @ slopes.E.T + corner.reshape(batch, -1) @ slopes.F.T
    by_slope = by_slope - slopes.g - slopes.conjugate(state.slopes)[1]
    if len(points):
        at = (flat @ points.T).reshape(state.direction.shape)
        by_slope[:, -state.side.shape[1] :] = state.side - (state.direction * at).sum(-1)
    by_lower = np.where(state.unstable, np.maximum(weight, 0.0) * pre, 0.0)
    leaving = ((state.lower <= 0) & (by_lower < 0)) | ((state.lower >= 1) & (by_lower > 0))
    by_lower = np.where(leaving, 0.0, by_lower)
    by_slope = slopes.allowed(by_slope, state.slopes)
    direct = by_slope * smooth
    by_slope = np.where(smooth > 0, 0.0, by_slope)
    size = (by_lower**2).sum((1, 2)) + (by_slope**2).sum(1)
    step = (target - value + 1e-6) / np.maximum(size, 1e-14)
    moved = np.clip(state.lower + step[:, None, None] * by_lower, 0.0, 1.0)
    state.lower = np.where(state.unstable, moved, state.lower)
    state.slopes = slopes.move(state.slopes, step[:, None] * by_slope + direct)


def _cut(
    best: Bounded, state: _State, value: np.ndarray, linear: np.ndarray, cutoff: float
) -> None:
    """Shrink the boxes to where this bound stays below the cutoff."""
    if not np.isfinite(cutoff) or len(state.index) == 0:
        return
    room = np.maximum(cutoff - value, 0.0)[:, None, None] / np.maximum(abs(linear), 1e-12)
    room = room * (1 + 1e-9) + 1e-9
    i, low, high = state.index, state.center - state.radius, state.center + state.radius
    best.u_high[i] = np.where(linear > 0, np.minimum(best.u_high[i], low + room), best.u_high[i])
    best.u_low[i] = np.where(linear < 0, np.maximum(best.u_low[i], high - room), best.u_low[i])
