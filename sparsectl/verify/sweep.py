"""Bounds of a closed loop over many boxes of starts at once, step after step.

Interval arithmetic inside a step; whatever it leaves undecided is bounded by backward linear
relaxation to the start (CROWN, see `program.crown`), which also keeps what the boxes of the states
on the way imply. Of every state linear forms of the start below and above it are kept. Bounds are
widened outwards by more than rounding.
"""

from __future__ import annotations

import numpy as np

from sparsectl.program.crown import Lines, through_neurons
from sparsectl.program.relu_program import ReluProgram

_ROUNDING = 1e-9
"""Outward widening, relative to 1 + |bound|."""
_WINDOW = 3
"""Steps through which neurons are bounded backwards before the states' own forms of the start take
over; states go all the way. Of 0, 1, 3 and all steps this decides most in the same time."""


class Sweep:
    """Boxes of starts on their way through the loop. B boxes, n entries of the state.

    Args:
        program: s -> s', in units of order one.
        low, high: boxes of s_0. Shape (B, n).
        horizon: H.

    Attributes:
        low, high: of s_0..s_t so far. Shape (B, H + 1, n).
        lines: relaxations of the neurons of the steps before t.
        kept: slopes and constants of the forms below, then of those above s_0..s_t, in the start.
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
        forms, constants = (batch, horizon + 1, n, n), (batch, horizon + 1, n)
        self.kept = [np.zeros(shape) for shape in (forms, constants, forms, constants)]
        self.kept[0][:, 0] = self.kept[2][:, 0] = np.eye(n)

    def __len__(self) -> int:
        return len(self.low)

    def keep(self, mask: np.ndarray) -> None:
        """Go on with some of the boxes. Shape (B,), bool."""
        self.low, self.high, old = self.low[mask], self.high[mask], self.lines
        self.kept = [kept[mask] for kept in self.kept]
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
                own = level.A[wanted], level.b[wanted]
                known = least[:, wanted], most[:, wanted]
                found = self._backward(t, own, level.start, known, _WINDOW)
                least[:, wanted], most[:, wanted] = found
            self.lines.low[:, t, rows], self.lines.high[:, t, rows] = least, most
            self.lines.refresh(t, rows)
            z = slice(k, program.n_in + level.stop)
            low[:, z], high[:, z] = level.activate(least), level.activate(most)
        n = program.n_out
        asked = np.concatenate([np.eye(n), forms])
        own = asked @ program.output, asked @ program.d
        known = _interval(*own, low, high)
        least, most = self._backward(t, own, program.m, known, t)
        form, constant = self._last
        k = len(asked)
        lines = form[:, :n], constant[:, :n], -form[:, k : k + n], -constant[:, k : k + n]
        for kept, last in zip(self.kept, lines, strict=True):
            kept[:, t + 1] = last
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
        self,
        t: int,
        forms: tuple[np.ndarray, np.ndarray],
        z_stop: int,
        known: tuple[np.ndarray, np.ndarray],
        window: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (B, k) of rows `A [s_t; z_t,<z_stop] + b` of which some are known.

        After `window` steps backwards states are replaced by the forms of the start that are kept
        of them, which takes no longer however many steps there were.
        """
        (A, b), program, batch = forms, self.program, len(self)
        k = len(A)
        form = np.broadcast_to(np.concatenate([A, -A]), (batch, 2 * k, A.shape[1]))
        constant = np.broadcast_to(np.concatenate([b, -b]), (batch, 2 * k))
        best = np.concatenate([known[0], -known[1]], axis=1)
        for s in range(t, -1, -1):
            form, constant = through_neurons(program, self.lines.at(s), form, constant, z_stop)
            best = np.maximum(best, _least(form, constant, self.low[:, s], self.high[:, s]))
            if s == 0:
                break
            if t - s >= window:
                form, constant = self._onto_start(form, constant, s)
                best = np.maximum(best, _least(form, constant, self.low[:, 0], self.high[:, 0]))
                break
            constant = constant + form @ program.d
            flat = form.reshape(-1, form.shape[-1]) @ program.output
            form, z_stop = flat.reshape(batch, 2 * k, -1), program.m
        self._last = form, constant
        low, high = best[:, :k], -best[:, k:]
        return low - _ROUNDING * (1 + abs(low)), high + _ROUNDING * (1 + abs(high))

    def _onto_start(
        self, form: np.ndarray, constant: np.ndarray, s: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Forms of s_s as forms of the start that are nowhere above them."""
        below, at_least, above, at_most = (kept[:, s] for kept in self.kept)
        positive = np.maximum(form, 0.0)
        negative = form - positive
        constant = constant + np.matmul(positive, at_least[..., None])[..., 0]
        constant = constant + np.matmul(negative, at_most[..., None])[..., 0]
        return np.matmul(positive, below) + np.matmul(negative, above), constant


def _least(form: np.ndarray, constant: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Least values of forms (B, k, n) over boxes (B, n)."""
    middle, radius = (low + high)[..., None] / 2, (high - low)[..., None] / 2
    return constant + (np.matmul(form, middle) - np.matmul(abs(form), radius))[..., 0]


def _interval(
    A: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    middle, spread = (low + high) / 2 @ A.T + b, (high - low) / 2 @ abs(A).T
    least, most = middle - spread, middle + spread
    return least - _ROUNDING * (1 + abs(least)), most + _ROUNDING * (1 + abs(most))
