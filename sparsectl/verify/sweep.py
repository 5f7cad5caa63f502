"""Bounds of a closed loop over many boxes of starts at once, step after step.

Interval arithmetic inside a step; whatever it leaves undecided is bounded by backward linear
relaxation to the start (CROWN, see `program.crown`), which also keeps what the boxes of the states
on the way imply. Of every state linear forms of the start below and above it are kept. Bounds are
widened outwards by more than rounding.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from sparsectl.program.crown import Lines, through_neurons
from sparsectl.program.relu_program import ReluProgram
from sparsectl.verify.cases import least_of_box, least_of_cut

_ROUNDING = 1e-9
"""Outward widening, relative to 1 + |bound|."""
_WINDOW = 3
"""Steps through which neurons are bounded backwards before the states' own forms of the start take
over; states go all the way. Of 0, 1, 3 and all steps this decides most in the same time. Where
neurons are split these forms are nearly exact: states and neurons take them at once."""


class TimeUp(Exception):
    """The deadline passed before bounds were known."""


class Sweep:
    """Boxes of starts on their way through the loop. B boxes, n entries of the state.

    Args:
        program: s -> s', in units of order one.
        low, high: boxes of s_0. Shape (B, n).
        cuts: rows and sides of half-spaces rows @ s_0 + sides >= 0 that the starts are in, shapes
            (B, R, n) and (B, R); None: none.
        known: pairs of a box and of step, neuron, on: neurons that are known to be on or off.
        splits: neurons that may be split, see `turns`. Shape (m,), bool; None: none.
        deadline: `time.perf_counter()` value after which `advance` raises `TimeUp`, or None.

    Attributes:
        low, high: of s_0..s_t so far. Shape (B, H + 1, n).
        lines: relaxations of the neurons of the steps before t.
        kept: slopes and constants of the forms below, then of those above s_0..s_t, in the start.
        empty: boxes in which no start has the neurons that are known. Shape (B,), bool.
        turn: step and neuron of the first that may be split and that turns; -1: none. Shape (B, 2).
        turn_forms: forms below and above it in the start, (B, 2, n), and their constants, (B, 2).
    """

    def __init__(
        self,
        program: ReluProgram,
        low: np.ndarray,
        high: np.ndarray,
        horizon: int,
        *,
        cuts: tuple[np.ndarray, np.ndarray] | None = None,
        known: Sequence[tuple[int, int, int, bool]] = (),
        splits: np.ndarray | None = None,
        deadline: float | None = None,
    ) -> None:
        self.program, self.horizon, self.t, self.deadline = program, horizon, 0, deadline
        batch, n = low.shape
        self.low, self.high = np.zeros((2, batch, horizon + 1, n))
        self.low[:, 0], self.high[:, 0] = low, high
        bounds = np.zeros((2, batch, horizon, program.m))
        self.lines = Lines.empty(bounds[0], bounds[1], program.step)
        forms, constants = (batch, horizon + 1, n, n), (batch, horizon + 1, n)
        self.kept = [np.zeros(shape) for shape in (forms, constants, forms, constants)]
        self.kept[0][:, 0] = self.kept[2][:, 0] = np.eye(n)
        self.cuts = cuts if cuts is not None and cuts[1].size else None
        self.sign = None
        if len(known):
            self.sign = np.zeros((batch, horizon, program.m), dtype=np.int8)
            k, t, i, on = np.array(known).T
            self.sign[k, t, i] = np.where(on, 1, -1)
        self.splits, self.windows = splits, (_WINDOW, horizon) if splits is None else (0, 0)
        self.empty, self.turn = np.zeros(batch, dtype=bool), np.full((batch, 2), -1)
        self.turn_forms = np.zeros((batch, 2, n)), np.zeros((batch, 2))

    def __len__(self) -> int:
        return len(self.low)

    def keep(self, mask: np.ndarray) -> None:
        """Go on with some of the boxes. Shape (B,), bool."""
        self.low, self.high, old = self.low[mask], self.high[mask], self.lines
        self.kept = [kept[mask] for kept in self.kept]
        self.cuts = None if self.cuts is None else (self.cuts[0][mask], self.cuts[1][mask])
        self.sign = None if self.sign is None else self.sign[mask]
        self.empty, self.turn = self.empty[mask], self.turn[mask]
        self.turn_forms = self.turn_forms[0][mask], self.turn_forms[1][mask]
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

        Raises:
            TimeUp: see `deadline`; the sweep is of no use then.
        """
        program, t = self.program, self.t
        low = np.zeros((len(self), program.n_in + program.m))
        high = np.zeros_like(low)
        low[:, : program.n_in], high[:, : program.n_in] = self.low[:, t], self.high[:, t]
        for level in program.levels:
            k, rows = program.n_in + level.start, slice(level.start, level.stop)
            least, most = _interval(level.A, level.b, low[:, :k], high[:, :k])
            open_ = ((least < 0) & (most >= 0)).any(axis=0)
            wanted = np.flatnonzero(open_)
            if len(wanted):
                own = level.A[wanted], level.b[wanted]
                known = least[:, wanted], most[:, wanted]
                found = self._backward(t, own, level.start, known, self.windows[0])
                least[:, wanted], most[:, wanted] = found
                self._note_turn(least, most, wanted, level.start)
            if self.sign is not None:
                least, most = self._known(least, most, self.sign[:, t, rows])
            self.lines.low[:, t, rows], self.lines.high[:, t, rows] = least, most
            self.lines.refresh(t, rows)
            z = slice(k, program.n_in + level.stop)
            low[:, z], high[:, z] = level.activate(least), level.activate(most)
        n = program.n_out
        asked = np.concatenate([np.eye(n), forms])
        own = asked @ program.output, asked @ program.d
        known = _interval(*own, low, high)
        least, most = self._backward(t, own, program.m, known, min(t, self.windows[1]))
        form, constant = self._last
        k = len(asked)
        lines = form[:, :n], constant[:, :n], -form[:, k : k + n], -constant[:, k : k + n]
        for kept, last in zip(self.kept, lines, strict=True):
            kept[:, t + 1] = last
        self.low[:, t + 1], self.high[:, t + 1] = least[:, :n], most[:, :n]
        self.t += 1
        return least[:, n:], most[:, n:]

    def _known(
        self, least: np.ndarray, most: np.ndarray, sign: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of neurons some of which are known to be on (at least 0) or off (below)."""
        least = np.where(sign > 0, np.maximum(least, 0.0), least)
        most = np.where(sign < 0, np.minimum(most, np.nextafter(0.0, -1.0)), most)
        self.empty |= (least > most).any(axis=1)
        return least, most

    def _note_turn(
        self, least: np.ndarray, most: np.ndarray, wanted: np.ndarray, start: int
    ) -> None:
        """The first neuron that may be split, where none was noted before and it is not known."""
        if self.splits is None:
            return
        form, constant = self._last
        for k, i in enumerate(wanted):
            if not self.splits[start + i]:
                continue
            turns = (least[:, i] < 0) & (most[:, i] >= 0) & (self.turn[:, 0] < 0)
            if self.sign is not None:
                turns &= self.sign[:, self.t, start + i] == 0
            self.turn[turns] = self.t, start + i
            for side, at, sign in ((0, k, 1.0), (1, len(wanted) + k, -1.0)):
                self.turn_forms[0][turns, side] = sign * form[turns, at]
                self.turn_forms[1][turns, side] = sign * constant[turns, at]

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
            if self.deadline is not None and time.perf_counter() > self.deadline:
                raise TimeUp
            form, constant = through_neurons(program, self.lines.at(s), form, constant, z_stop)
            best = np.maximum(best, self._least(form, constant, s))
            if s == 0:
                break
            if t - s >= window:
                form, constant = self._onto_start(form, constant, s)
                best = np.maximum(best, self._least(form, constant, 0))
                break
            constant = constant + form @ program.d
            flat = form.reshape(-1, form.shape[-1]) @ program.output
            form, z_stop = flat.reshape(batch, 2 * k, -1), program.m
        self._last = form, constant
        low, high = best[:, :k], -best[:, k:]
        return low - _ROUNDING * (1 + abs(low)), high + _ROUNDING * (1 + abs(high))

    def _least(self, form: np.ndarray, constant: np.ndarray, s: int) -> np.ndarray:
        """Least values of forms (B, k, n) of s_s over its boxes, of the start within its cuts."""
        box = self.low[:, s], self.high[:, s]
        if s == 0 and self.cuts is not None:
            return least_of_cut(form, constant, *box, *self.cuts)
        return least_of_box(form, constant, *box)

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


def _interval(
    A: np.ndarray, b: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    middle, spread = (low + high) / 2 @ A.T + b, (high - low) / 2 @ abs(A).T
    least, most = middle - spread, middle + spread
    return least - _ROUNDING * (1 + abs(least)), most + _ROUNDING * (1 + abs(most))
