"""Lower bounds of the cost over a batch of action boxes, by dual ascent.

With the upper lines of the neurons fixed, every choice of cost slopes s and lower-line slopes
alpha gives a bound that is linear in the actions (alpha-CROWN, Xu et al. 2021). A few steps find a
good choice: each entry moves by a share of its range times its supergradient over the root mean
square of those so far (AdaGrad, Duchi et al. 2011), taken at the running mean of the minimisers, as
the newest one jumps from corner to corner. Where that hardly helps the halves of a box take
Polyak's steps towards the cutoff, which are exact in the end but slow. Every iterate also cuts the
box, because plans cheaper than the cutoff lie where its linear bound allows them.
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
_RATE, _DECAY, _REACH = 0.2, 0.85, 2.0
"""First step as a share of a slope's range; every next one over the one before; and a step promises
at most so many times what is lacking to the cutoff."""
_SMOOTH = 0.15
"""Share of the way to their best value that slopes of quadratic parts go in such a step."""
_LEAST = 0.1
"""The halves of a box take the other kind of step where this one closed no more of what lacked."""
_TINY = 1e-14


@dataclass
class Bounded:
    """Result over a batch of boxes.

    Attributes:
        value: lower bounds. Shape (B,).
        lower: lower-line slopes of the best bound. Shape (B, H, m).
        slopes: cost slopes of the best bound. Shape (B, n).
        weight: coefficient of every neuron's output there. Shape (B, H, m).
        linear: its slopes in the actions. Shape (B, H, nu).
        u_low, u_high: the part of the box that can hold plans below the cutoff. (B, H, nu).
        actions: mean minimiser, a promising plan. Shape (B, H, nu).
        polyak: the kind of steps for the halves of these boxes. Shape (B,).
    """

    value: np.ndarray
    lower: np.ndarray
    slopes: np.ndarray
    weight: np.ndarray
    linear: np.ndarray
    u_low: np.ndarray
    u_high: np.ndarray
    actions: np.ndarray
    polyak: np.ndarray


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
    polyak: np.ndarray
    lower_squares: np.ndarray
    slope_squares: np.ndarray

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
    polyak: np.ndarray | None = None,
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
        polyak: boxes that take Polyak's steps. Shape (B,), bool; None: none.
    """
    batch = len(u_low)
    state = _State(
        np.arange(batch), (u_low + u_high) / 2, (u_high - u_low) / 2, lines.unstable,
        lines.upper, lines.offset, lines.lower.copy(), start.copy(),
        np.zeros((batch, 0, 2)) if rows is None else rows.direction,
        np.zeros((batch, 0)) if rows is None else rows.side,
        np.zeros(batch, dtype=bool) if polyak is None else polyak.copy(),
        np.zeros(lines.lower.shape), np.zeros(start.shape),
    )  # fmt: skip
    points = np.zeros((0, slopes.E.shape[1])) if points is None else points
    value, linear, weight = _evaluate(relaxation, slopes, state, points)
    _start_anew(relaxation, slopes, state, points, value, linear, weight)
    best = Bounded(
        value.copy(), state.lower.copy(), state.slopes.copy(), weight.copy(), linear.copy(),
        u_low.copy(), u_high.copy(), state.center.copy(), state.polyak.copy(),
    )  # fmt: skip
    first = value.copy()
    target = cutoff if np.isfinite(cutoff) else float(value.max() + 0.5 * abs(value).max() + 1e-3)
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
        best.actions[state.index] = mean = mean + _AVERAGE * (corner - mean)
        at = np.where(state.polyak[:, None, None], corner, mean)
        _step(relaxation, slopes, state, points, weight, at, target - value + 1e-6, k)
        value, linear, weight = _evaluate(relaxation, slopes, state, points)
        better = value > best.value[state.index]
        i = state.index[better]
        best.value[i], best.weight[i] = value[better], weight[better]
        best.linear[i] = linear[better]
        best.lower[i], best.slopes[i] = state.lower[better], state.slopes[better]
    if len(state.index) and np.isfinite(cutoff):
        _cut(best, state, value, linear, target)
    best.polyak ^= best.value <= first + _LEAST * (target - first)
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
    weight: np.ndarray, actions: np.ndarray, short: np.ndarray, k: int,
) -> None:  # fmt: skip
    """Step k in (alpha, s); the supergradient comes from a relaxed rollout of actions (B, H, nu).

    Slopes of quadratic parts go straight towards their best value at these actions, multipliers
    without a range take Polyak's step, of length `short` (B,) over the gradient, in any case.
    """
    by_lower, by_slope = _supergradient(relaxation, slopes, state, points, weight, actions)
    state.lower_squares += by_lower**2
    state.slope_squares += by_slope**2
    smooth, free, polyak = slopes.smooth, ~np.isfinite(slopes.high), state.polyak[:, None]
    direct = np.where(polyak, smooth / (k + 2), _SMOOTH * smooth) * by_slope
    by_slope = np.where(smooth > 0, 0.0, by_slope)
    width = np.where(free, 0.0, slopes.high - slopes.low)
    along_lower = by_lower / np.sqrt(np.maximum(state.lower_squares, _TINY))
    along = width * by_slope / np.sqrt(np.maximum(state.slope_squares, _TINY))
    gain = (along_lower * by_lower).sum((1, 2)) + (along * by_slope).sum(1)
    rate = np.minimum(_RATE * _DECAY**k * np.sqrt(k + 1), _REACH * short / np.maximum(gain, _TINY))
    size = (by_lower**2).sum((1, 2)) + (by_slope**2).sum(1)
    exact = (short / np.maximum(size, _TINY))[:, None]
    step = np.where(polyak | free, exact * by_slope, rate[:, None] * along)
    state.slopes = slopes.move(state.slopes, step + direct)
    by_lower, along_lower = exact[..., None] * by_lower, rate[:, None, None] * along_lower
    moved = np.clip(state.lower + np.where(polyak[..., None], by_lower, along_lower), 0.0, 1.0)
    state.lower = np.where(state.unstable, moved, state.lower)


def _supergradient(
    relaxation: Relaxation, slopes: Slopes, state: _State, points: np.ndarray,
    weight: np.ndarray, actions: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """In alpha (B, H, m) and s (B, n), without directions that leave what is allowed at once."""
    batch, program = len(actions), relaxation.program
    x = np.broadcast_to(relaxation.x0, (batch, relaxation.nx))
    pre, states = np.empty_like(weight), np.empty((batch, relaxation.horizon, relaxation.nx))
    for t in range(relaxation.horizon):
        known = np.concatenate([x, actions[:, t]], axis=1)
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
    by_slope = flat @ slopes.E.T + actions.reshape(batch, -1) @ slopes.F.T
    by_slope = by_slope - slopes.g - slopes.conjugate(state.slopes)[1]
    if len(points):
        at = (flat @ points.T).reshape(state.direction.shape)
        by_slope[:, -state.side.shape[1] :] = state.side - (state.direction * at).sum(-1)
    by_lower = np.where(state.unstable, np.maximum(weight, 0.0) * pre, 0.0)
    leaving = ((state.lower <= 0) & (by_lower < 0)) | ((state.lower >= 1) & (by_lower > 0))
    return np.where(leaving, 0.0, by_lower), slopes.allowed(by_slope, state.slopes)


def room(cutoff: float, value: np.ndarray) -> np.ndarray:
    """How far above its least value a linear bound of a plan below the cutoff may be, at most."""
    return np.maximum(cutoff - value, 0.0) * (1 + 1e-9) + 1e-9


def _cut(
    best: Bounded, state: _State, value: np.ndarray, linear: np.ndarray, cutoff: float
) -> None:
    """Shrink the boxes to where this bound stays below the cutoff."""
    if not np.isfinite(cutoff) or len(state.index) == 0:
        return
    far = room(cutoff, value)[:, None, None] / np.maximum(abs(linear), 1e-12) + 1e-9
    i, low, high = state.index, state.center - state.radius, state.center + state.radius
    best.u_high[i] = np.where(linear > 0, np.minimum(best.u_high[i], low + far), best.u_high[i])
    best.u_low[i] = np.where(linear < 0, np.maximum(best.u_low[i], high - far), best.u_low[i])
