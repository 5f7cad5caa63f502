"""Sound bounds on every neuron and state over a horizon.

`interval` is interval arithmetic. `crown` adds backward linear relaxation (Zhang et al. 2018,
CROWN) through the whole prefix of the trajectory, concretised at every intermediate state box,
and intersected with interval arithmetic. Both are batched over the neurons of a level and take
step neurons as well.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sparsectl.errors import ConfigError, NonFiniteError, nearest
from sparsectl.program import crown
from sparsectl.program.crown import Lines
from sparsectl.program.relu_program import Matrix, ReluProgram

MARGIN = 1e-7
"""Outward widening of every bound, relative to 1 + |bound|: covers rounding."""


@dataclass(frozen=True)
class Box:
    """What is known before planning: start, actions, and states that the constraints allow.

    Attributes:
        x0_low, x0_high: Shape (nx,).
        u_low, u_high: Shape (nu,) or (H, nu).
        x_low, x_high: Shape (nx,) or (H, nx), of x_1..x_H; infinite where nothing is known.
    """

    x0_low: np.ndarray
    x0_high: np.ndarray
    u_low: np.ndarray
    u_high: np.ndarray
    x_low: np.ndarray
    x_high: np.ndarray


@dataclass(frozen=True)
class HorizonBounds:
    """Bounds along a horizon of H steps.

    Attributes:
        pre_low, pre_high: pre-activations. Shape (H, m).
        x_low, x_high: states x_0..x_H. Shape (H + 1, nx), physical units.
        u_low, u_high: actions. Shape (H, nu).
        method: how they were computed.
        empty: a state box became empty: no plan satisfies the constraints.
    """

    pre_low: np.ndarray
    pre_high: np.ndarray
    x_low: np.ndarray
    x_high: np.ndarray
    u_low: np.ndarray
    u_high: np.ndarray
    method: str
    empty: bool = False

    @property
    def horizon(self) -> int:
        """Number of steps H."""
        return len(self.pre_low)

    @property
    def unstable(self) -> np.ndarray:
        """Neurons whose sign is not known. Shape (H, m), bool."""
        return (self.pre_low < 0) & (self.pre_high > 0)

    @property
    def active(self) -> np.ndarray:
        """Neurons that are always on. Shape (H, m), bool."""
        return self.pre_low >= 0


def propagate(
    program: ReluProgram,
    box: Box,
    horizon: int,
    method: str = "crown",
    *,
    until: float | None = None,
) -> HorizonBounds:
    """Bounds of a dynamics program over a horizon.

    Args:
        program: inputs [x; u], outputs x'.
        box: start, actions, allowed states.
        horizon: H.
        method: "interval" or "crown".
        until: `time.perf_counter()` value from which on steps get interval bounds, or None.

    Raises:
        NonFiniteError: an infinite or NaN start or action box.
        ConfigError: unknown method.
    """
    if method not in ("interval", "crown"):
        raise ConfigError(f"bounds '{method}'" + nearest(method, ("interval", "crown", "lp")))
    for name in ("x0_low", "x0_high", "u_low", "u_high"):
        if not np.isfinite(getattr(box, name)).all():
            raise NonFiniteError(f"bounds need a finite {name}, got {getattr(box, name)}")
    return _Propagation(program, box, horizon, method == "crown").run(until)


def form_bounds(
    program: ReluProgram, box: Box, bounds: HorizonBounds, forms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of linear forms of [x_t; u_t] at every step, by the same backward relaxation.

    Args:
        program: dynamics program.
        box: what `bounds` were computed from.
        bounds: sound bounds.
        forms: Shape (k, n_in).

    Returns:
        Two arrays of shape (H, k).
    """
    sweep = _Propagation(program, box, bounds.horizon, crown=True)
    sweep.lines = Lines.of(bounds.pre_low[None], bounds.pre_high[None], program.step)
    sweep.states = _middle(bounds.x_low, bounds.x_high)
    low = np.empty((bounds.horizon, len(forms)))
    high = np.empty_like(low)
    for t in range(bounds.horizon):
        v_low = np.concatenate([bounds.x_low[t], bounds.u_low[t]])
        v_high = np.concatenate([bounds.x_high[t], bounds.u_high[t]])
        zero = np.zeros(len(forms))
        lo, hi = _interval(forms, zero, v_low, v_high)
        low[t], high[t] = _widen(*sweep.backward(t, forms, zero, 0, lo, hi))
    return low, high


class _Propagation:
    """One forward sweep; every level is bounded by a batched backward pass."""

    def __init__(self, program: ReluProgram, box: Box, horizon: int, crown: bool) -> None:
        nx, nu, m = program.n_out, program.n_in - program.n_out, program.m
        self.program, self.horizon, self.crown, self.nx = program, horizon, crown, nx
        self.u_low = np.broadcast_to(box.u_low, (horizon, nu))
        self.u_high = np.broadcast_to(box.u_high, (horizon, nu))
        self.x_low = np.empty((horizon + 1, nx))
        self.x_high = np.empty((horizon + 1, nx))
        self.x_low[0], self.x_high[0] = box.x0_low, box.x0_high
        self.x_low[1:] = np.broadcast_to(box.x_low, (horizon, nx))
        self.x_high[1:] = np.broadcast_to(box.x_high, (horizon, nx))
        self.pre_low, self.pre_high = np.empty((horizon, m)), np.empty((horizon, m))
        # Lines are set as levels get bounded.
        self.lines = Lines.empty(self.pre_low[None], self.pre_high[None], program.step)
        self.actions = _middle(self.u_low, self.u_high)
        self.states = np.empty((1, horizon + 1, nx)), np.empty((1, horizon + 1, nx))

    def run(self, until: float | None = None) -> HorizonBounds:
        empty, method = False, "crown" if self.crown else "interval"
        for t in range(self.horizon):
            self.crown = self.crown and (until is None or time.perf_counter() < until)
            self._step(t)
            empty = empty or bool((self.x_low[t + 1] > self.x_high[t + 1]).any())
            if empty:
                self.pre_low[t + 1 :], self.pre_high[t + 1 :] = -np.inf, np.inf
                break
        return HorizonBounds(
            self.pre_low, self.pre_high, self.x_low, self.x_high,
            self.u_low, self.u_high, method, empty,
        )  # fmt: skip

    def _step(self, t: int) -> None:
        program, nx = self.program, self.nx
        for all_steps, here in zip(
            self.states, _middle(self.x_low[t], self.x_high[t]), strict=True
        ):
            all_steps[:, t] = here
        low = np.concatenate([self.x_low[t], self.u_low[t], np.zeros(program.m)])
        high = np.concatenate([self.x_high[t], self.u_high[t], np.zeros(program.m)])
        for level in program.levels:
            k = program.n_in + level.start
            lo, hi = _interval(level.A, level.b, low[:k], high[:k])
            if self.crown and (t > 0 or level.start > 0):
                lo, hi = self.backward(t, level.A, level.b, level.start, lo, hi)
            lo, hi = _widen(lo, hi)
            rows = slice(level.start, level.stop)
            self.pre_low[t, rows], self.pre_high[t, rows] = lo, hi
            self.lines.refresh(t, rows)
            z = slice(k, program.n_in + level.stop)
            low[z], high[z] = level.activate(lo), level.activate(hi)
        lo, hi = _interval(program.output, program.d, low, high)
        if self.crown:
            lo, hi = self.backward(t, program.output, program.d, program.m, lo, hi)
        lo, hi = _widen(lo, hi)
        self.x_low[t + 1, :nx] = np.maximum(self.x_low[t + 1], lo)
        self.x_high[t + 1, :nx] = np.minimum(self.x_high[t + 1], hi)

    def backward(
        self, t: int, A: Matrix, b: np.ndarray, z_stop: int, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the rows `A [v_t; z_t,<z_stop] + b`: both signs in one batch."""
        A = A if isinstance(A, np.ndarray) else A.toarray()
        forms = np.concatenate([A, -A])[None], np.concatenate([b, -b])[None]
        known = np.concatenate([low, -high])[None]
        best = crown.backward(
            self.program, self.lines, t, forms, z_stop, self.actions, self.states, best=known
        )[0]
        n = len(low)
        return best[:n], -best[n:]


def _middle(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and radius of a box of a batch."""
    return ((low + high) / 2)[None], ((high - low) / 2)[None]


def _interval(
    A: Matrix, b: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    center, radius = (low + high) / 2, (high - low) / 2
    middle, spread = A @ center + b, abs(A) @ radius
    return middle - spread, middle + spread


def _widen(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return low - MARGIN * (1 + abs(low)), high + MARGIN * (1 + abs(high))
