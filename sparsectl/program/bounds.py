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
from sparsectl.program.prefix import Prefix, rows
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
        box: what `bounds` were computed from.
        forms: Shape (k, n_in).

    Returns:
        Two arrays of shape (H, k).
    """
    prefix, k = Prefix(program, bounds.u_low, bounds.u_high), program.n_in
    own = rows(forms, np.zeros(len(forms)), k)
    low = np.empty((bounds.horizon, len(forms)))
    high = np.empty_like(low)
    for t in range(bounds.horizon):
        v_low = np.concatenate([bounds.x_low[t], bounds.u_low[t]])
        v_high = np.concatenate([bounds.x_high[t], bounds.u_high[t]])
        prefix.begin(bounds.x_low[t], bounds.x_high[t])
        known = _interval(forms, own[:, k], v_low, v_high)
        low[t], high[t] = _widen(*_both(known, prefix.bounds(own)))
        for i, level in enumerate(program.levels):
            here = slice(level.start, level.stop)
            prefix.note(i, prefix.neurons(i), bounds.pre_low[t, here], bounds.pre_high[t, here])
        prefix.end()
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
        self.prefix = Prefix(program, self.u_low, self.u_high)
        self.first: tuple[np.ndarray, np.ndarray] | None = None

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
        program, prefix = self.program, self.prefix
        low = np.concatenate([self.x_low[t], self.u_low[t], np.zeros(program.m)])
        high = np.concatenate([self.x_high[t], self.u_high[t], np.zeros(program.m)])
        if self.crown:
            prefix.begin(self.x_low[t], self.x_high[t])
        for i, level in enumerate(program.levels):
            k = program.n_in + level.start
            found = _interval(level.A, level.b, low[:k], high[:k])
            forms = prefix.neurons(i) if self.crown else None
            if forms is not None and level.start > 0:
                found = _both(found, prefix.bounds(forms))
            elif level.start == 0 and self.first is not None:
                found = _both(found, self.first)
            lo, hi = _widen(*found)
            here = slice(level.start, level.stop)
            self.pre_low[t, here], self.pre_high[t, here] = lo, hi
            if forms is not None:
                prefix.note(i, forms, lo, hi)
            z = slice(k, program.n_in + level.stop)
            low[z], high[z] = level.activate(lo), level.activate(hi)
        found, self.first = _interval(program.output, program.d, low, high), None
        if self.crown:
            found = _both(found, self._ahead(t))
        lo, hi = _widen(*found)
        self.x_low[t + 1] = np.maximum(self.x_low[t + 1], lo)
        self.x_high[t + 1] = np.minimum(self.x_high[t + 1], hi)

    def _ahead(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the outputs, and in the same pass of the first level's fields a step later."""
        forms, nx = self.prefix.end(), self.nx
        if t + 1 == self.horizon or not self.program.levels:
            return self.prefix.bounds(forms)
        level = self.program.levels[0]
        over_x, over_u = level.A[:, :nx], level.A[:, nx:]
        low, high = self.prefix.bounds(np.concatenate([forms, over_x @ forms]))
        least, most = _interval(over_u, level.b, self.u_low[t + 1], self.u_high[t + 1])
        self.first = low[nx:] + least, high[nx:] + most
        return low[:nx], high[:nx]


def _both(
    one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    return np.maximum(one[0], other[0]), np.minimum(one[1], other[1])


def _interval(
    A: Matrix, b: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    center, radius = (low + high) / 2, (high - low) / 2
    middle, spread = A @ center + b, abs(A) @ radius
    return middle - spread, middle + spread


def _widen(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return low - MARGIN * (1 + abs(low)), high + MARGIN * (1 + abs(high))
