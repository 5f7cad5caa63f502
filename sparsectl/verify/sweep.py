"""Bounds of a closed loop over many boxes of starts at once, step after step.

Interval arithmetic inside a step; whatever it leaves undecided is bounded by backward linear
relaxation to the start (CROWN, see `program.crown`), which also keeps what the boxes of the states
on the way imply. Every bound is widened outwards by more than rounding.
"""

from __future__ import annotations

import numpy as np

from sparsectl.program import crown
from sparsectl.program.crown import Lines, through_neurons
from sparsectl.program.relu_program import ReluProgram

_ROUNDING = 1e-9
"""Outward widening, relative to 1 + |bound|."""


class Sweep:
    """Boxes of starts on their way through the loop. B boxes, n entries of the state.

    Args:
        program: s -> s', in units of order one.
        low, high: boxes of s_0. Shape (B, n).
        horizon: H.

    Attributes:
        low, high: of s_0..s_t so far. Shape (B, H + 1, n).
        lines: relaxations of the neurons of the steps before t.
        t: steps made.
    """

    def __init__(
        self, program: ReluProgram, low: np.ndarray, high: np.ndarray, horizon: int
    ) -> None:
        self.program, self.horizon, self.t = program, horizon, 0
        batch, n = low.shape
        self.low, self.high = np.zeros((2, batch, horizon + 1, n))
        self.low[:, 0], self.high[:, 0] = low, high
        bounds = np.zeros((2, batch, horizon, program.m))
        self.lines = Lines.empty(bounds[0], bounds[1], program.step)

    def __len__(self) -> int:
        return len(self.low)

    def keep(self, mask: np.ndarray) -> None:
        """Go on with some of the boxes. Shape (B,), bool."""
        self.low, self.high, old = self.low[mask], self.high[mask], self.lines
        floor = None if old.floor is None else old.floor[mask]
        self.lines = Lines(
            old.low[mask], old.high[mask], old.unstable[mask], old.lower[mask], old.upper[mask],
            old.offset[mask], floor, old.step,
        )  # fmt: skip

    def advance(self, forms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Make a step.

        Args:
            forms: linear forms of the state to bound after it. Shape (k, n).

        Returns:
            Their bounds, two arrays of shape (B, k).
        """
        program, t = self.program, self.t
        low = np.zeros((len(self), program.n_in + program.m))
        high = np.zeros_like(low)
        low[:, : program.n_in], high[:, : program.n_in] = self.low[:, t], self.high[:, t]
        for level in program.levels:
            k, rows = program.n_in + level.start, slice(level.start, level.stop)
            least, most = _interval(level.A, level.b, low[:, :k], high[:, :k])
            open_ = ((least < 0) & (most >= 0)).any(axis=0)
            wanted = np.flatnonzero(open_ & bool(t or level.start))
            if len(wanted):
                A, b = level.A[wanted], level.b[wanted]
                known = least[:, wanted], most[:, wanted]
                found = self._backward(t, A, b, level.start, *known)
                least[:, wanted], most[:, wanted] = found
            self.lines.low[:, t, rows], self.lines.high[:, t, rows] = least, most
            self.lines.refresh(t, rows)
            z = slice(k, program.n_in + level.stop)
            low[:, z], high[:, z] = level.activate(least), level.activate(most)
        n = program.n_out
        asked = np.concatenate([np.eye(n), forms])
        A, b = asked @ program.output, asked @ program.d
        least, most = self._backward(t, A, b, program.m, *_interval(A, b, low, high))
        self.low[:, t + 1], self.high[:, t + 1] = least[:, :n], most[:, :n]
        self.t += 1
        return least[:, n:], most[:, n:]

    def total(self, slopes: np.ndarray, constants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A form of all states as a form of the start that is nowhere above it.

        Args:
            slopes: in s_1..s_H. Shape (B, H, n).
            constants: Shape (B,).

        Returns:
            Slopes in s_0 (B, n), and constants (B,).
        """
        program = self.program
        form, constant = np.zeros_like(slopes[:, 0]), constants
        for t in range(self.t - 1, -1, -1):
            form = form + slopes[:, t]
            constant = constant + form @ program.d
            form, constant = through_neurons(
                program, self.lines.at(t), form @ program.output, constant, program.m
            )
        return form, constant

    def _backward(
        self, t: int, A: np.ndarray, b: np.ndarray, z_stop: int, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (B, k) of rows `A [s_t; z_t,<z_stop] + b` of which some are known."""
        batch, k = len(self), len(A)
        forms = np.broadcast_to(np.concatenate([A, -A]), (batch, 2 * k, A.shape[1]))
        constants = np.broadcast_to(np.concatenate([b, -b]), (batch, 2 * k))
        states = (self.low + self.high) / 2, (self.high - self.low) / 2
        nothing = np.zeros((batch, self.horizon, 0))
        best = crown.backward(
            self.program, self.lines, t, (forms, constants), z_stop, (nothing, nothing), states,
            best=np.concatenate([low, -high], axis=1),
        )  # fmt: skip
        low, high = best[:, :k], -best[:, k:]
        return low - _ROUNDING * (1 + abs(low)), high + _ROUNDING * (1 + abs(high))


def _interval(
    A: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    middle, spread = (low + high) / 2 @ A.T + b, (high - low) / 2 @ abs(A).T
    least, most = middle - spread, middle + spread
    return least - _ROUNDING * (1 + abs(least)), most + _ROUNDING * (1 + abs(most))
