"""What is proved about many boxes of starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sparsectl.mip.scale import Scaling
from sparsectl.program import ReluProgram
from sparsectl.verify.cases import Parts, Turn, least_of_cut
from sparsectl.verify.loop import Loop
from sparsectl.verify.measures import Measures
from sparsectl.verify.sweep import Sweep

_SAMPLES = 64
_ROUNDING, _HUGE = 1e-9, 1e100
_WORK = 2**17
"""Boxes at a time, times neurons squared: with more, wide networks take longer for each box."""
TOLERANCE, SMALL = 1e-6, 2.0**-6
"""What counts as a violation, see `Constraints.violated`."""


@dataclass(frozen=True)
class Form:
    """a'x0 + b of every box, shapes (B, nx) and (B,)."""

    a: np.ndarray
    b: np.ndarray

    def most(self, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
        """No start has a larger value (B,), and a corner of every box that is near it (B, nx)."""
        at = np.where(self.a > 0, parts.high, parts.low)
        size = abs(self.a * at).sum(-1) + np.where(np.isfinite(self.b), abs(self.b), 0.0)
        box = parts.low, parts.high, parts.rows, parts.sides
        least = least_of_cut(-self.a[:, None], -self.b[:, None], *box)[:, 0]
        return np.where(np.isfinite(self.b), -least + _ROUNDING * size, self.b), at


class Bounds:
    """Bounds of a loop over boxes of starts, inside a box of all of them.

    Args:
        low, high: all starts. Shape (nx,).
        cost: the cost is asked for too.
        splits: neurons that may be split. Shape (m,), bool; None: the step neurons.

    Attributes:
        batch: boxes to ask about at a time.
    """

    def __init__(
        self, loop: Loop, low: np.ndarray, high: np.ndarray, *, cost: bool = True,
        splits: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.loop, self.measures = loop, Measures.of(loop.problem, cost=cost)
        wanted = loop.program.step if splits is None else splits
        self.splits = wanted if wanted.any() else None
        self.batch = int(np.clip(_WORK // max(1, loop.program.m) ** 2, 1, 64))
        rng = np.random.default_rng(0)
        starts = low + rng.random((_SAMPLES, len(low))) * (high - low)
        self._scale(*loop.rollout(starts))

    def _scale(self, states: np.ndarray, actions: np.ndarray) -> None:
        """Units of states, neurons and forms near one: bounds are widened by about 1e-9."""
        loop = self.loop
        before = np.concatenate([np.zeros_like(actions[:, :1]), actions], axis=1)
        s = np.concatenate([states, before], axis=-1).reshape(-1, loop.program.n_in)
        s = s[(abs(s) < _HUGE).all(axis=1)]
        with np.errstate(over="ignore", invalid="ignore"):
            pre = loop.program.evaluate(s)[1]
        sizes = (abs(v).max(axis=0, initial=0.0) for v in (s, s @ self.measures.forms.T, pre))
        self._unit, self._form_unit, neurons = map(_power_of_two, sizes)
        neurons = np.where(loop.program.step, 1.0, neurons)
        nothing = np.zeros(0)
        scaling = Scaling(0.0 * self._unit, self._unit, nothing, nothing, neurons, 1.0)
        self._program: ReluProgram = scaling.program(loop.program)
        self._forms = self.measures.forms * self._unit / self._form_unit[:, None]
        # Forms that are multiples of one another, or of an entry of the state, are bounded once.
        lead = np.take_along_axis(self._forms, abs(self._forms).argmax(1)[:, None], 1)[:, 0]
        self._lead = np.where(lead == 0, 1.0, lead)
        whole = np.concatenate([np.eye(len(self._unit)), self._forms / self._lead[:, None] + 0.0])
        distinct, first, same = np.unique(whole, axis=0, return_index=True, return_inverse=True)
        place = np.argsort(np.argsort(first))
        self._distinct = distinct[np.argsort(first)]
        self._like = place[same.ravel()][len(self._unit) :]

    def start(
        self, parts: Parts, deadline: float | None = None
    ) -> tuple[Sweep, np.ndarray, np.ndarray]:
        """A sweep that is about to make its first step, and bounds of the forms to fill in.

        Returns:
            The sweep, and two arrays of shape (B, H + 1, K).
        """
        none = np.zeros((len(parts.low), self.loop.problem.nu))
        low, high = (np.concatenate([v, none], axis=1) for v in (parts.low, parts.high))
        rows = np.concatenate([parts.rows, np.zeros((*parts.sides.shape, none.shape[1]))], axis=2)
        shape = (len(low), self.loop.horizon + 1, len(self._forms))
        least, most = np.full(shape, -np.inf), np.full(shape, np.inf)
        middle, spread = (low + high) / 2 @ self.measures.forms.T, (high - low) / 2
        spread = spread @ abs(self.measures.forms).T
        margin = _ROUNDING * (abs(low) @ abs(self.measures.forms).T + spread)
        least[:, 0], most[:, 0] = middle - spread - margin, middle + spread + margin
        sweep = Sweep(
            self._program, low / self._unit, high / self._unit, self.loop.horizon,
            cuts=(rows * self._unit, parts.sides), known=parts.known, splits=self.splits,
            deadline=deadline,
        )  # fmt: skip
        return sweep, least, most

    def advance(self, sweep: Sweep, least: np.ndarray, most: np.ndarray) -> None:
        """Make a step, and note the bounds of the forms that are read after it."""
        t = sweep.t + 1
        rows = np.flatnonzero(self.measures.wanted[t])
        like, factor = self._like[rows], self._lead[rows] * self._form_unit[rows]
        n = len(self._unit)
        more = np.unique(like[like >= n])
        place = np.arange(len(self._distinct))
        place[more] = n + np.arange(len(more))
        low, high = sweep.advance(self._distinct[more])
        ends = [np.concatenate(both, axis=1)[:, place[like]] * factor
                for both in ((sweep.low[:, t], low), (sweep.high[:, t], high))]  # fmt: skip
        least[:, t, rows], most[:, t, rows] = np.minimum(*ends), np.maximum(*ends)

    def turns(self, sweep: Sweep) -> list[Turn | None]:
        """The first neuron of every box that may be split and that turns; None: none."""
        nx, unit = self.loop.nx, self._unit[: self.loop.nx]
        (form, constant), found = sweep.turn_forms, []
        size = 1 + (abs(form) * np.maximum(abs(sweep.low), abs(sweep.high))[:, None, 0]).sum(-1)
        margin = _ROUNDING * (size + abs(constant))
        form = form[..., :nx] / unit
        for k, (t, i) in enumerate(sweep.turn.tolist()):
            least, most = constant[k, 0] - margin[k, 0], constant[k, 1] + margin[k, 1]
            turn = Turn(t, i, form[k, 0], float(least), form[k, 1], float(most))
            found.append(None if t < 0 or not np.isfinite(form[k]).all() else turn)
        return found

    def kept(self, sweep: Sweep, least: np.ndarray, most: np.ndarray) -> np.ndarray:
        """Boxes of which every start is proved to keep all hard constraints at this step. (B,)."""
        t = sweep.t
        most_by = self.measures.excess(least, most, t)[1]
        return np.asarray((most_by <= self._tolerance[t - 1]).all(axis=1))

    def broken(self, sweep: Sweep, least: np.ndarray, most: np.ndarray) -> np.ndarray:
        """Boxes of which every start is proved to violate one constraint at this step. (B,)."""
        t = sweep.t
        reach = np.maximum(abs(sweep.low[:, t]), abs(sweep.high[:, t])) * self._unit
        reach = reach @ abs(self.measures.forms).T
        rows, *regions = self.measures.limits
        most_of = [reach[:, region].max(-1, keepdims=True) for region in regions]
        size = np.concatenate([reach[:, rows], *most_of], axis=1)
        allowed = _allowed(np.maximum(size, self._sizes[t - 1]))
        return np.asarray((self.measures.excess(least, most, t)[0] > allowed).any(axis=1))

    @cached_property
    def _sizes(self) -> np.ndarray:
        """Sizes of the constraints' sides. Shape (H, constraints)."""
        constraints, horizon = self.loop.problem.constraints, self.loop.horizon
        sides = [constraints.sides(horizon)]
        for region in constraints.keep_out:
            sides.append(abs(_known(region.sides(horizon)[1:])).max(-1, keepdims=True))
        return abs(_known(np.concatenate(sides, axis=1)))

    @cached_property
    def _tolerance(self) -> np.ndarray:
        """The least that may count as a violation. Shape (H, constraints)."""
        return _allowed(self._sizes)

    def costs(
        self, parts: Parts, deadline: float | None = None
    ) -> tuple[Form, Form, list[Turn | None]]:
        """Forms of the start below and above the cost, and neurons to split.

        Raises:
            TimeUp: the deadline passed first, a `time.perf_counter()` value.
        """
        sweep, least, most = self.start(parts, deadline)
        for _ in range(self.loop.horizon):
            self.advance(sweep, least, most)
        found, known = [], np.isfinite(least) & np.isfinite(most)
        overflow = (~known & self.measures.wanted).any(axis=(1, 2))
        with np.errstate(invalid="ignore", over="ignore"):
            lines = self.measures.cost_lines(
                np.where(known, least, 0.0), np.where(known, most, 0.0)
            )
            for sign, (slopes, constants) in zip((1.0, -1.0), lines, strict=True):
                over = sign * slopes * self._form_unit @ self._forms
                a, b = sweep.total(over, sign * constants)
                size = abs(over).sum((1, 2)) + abs(constants) + abs(b)
                b = np.where(overflow, -np.inf, b - _ROUNDING * size)
                b = np.where(sweep.empty, np.inf, b)
                found.append(
                    Form(sign * a[:, : self.loop.nx] / self._unit[: self.loop.nx], sign * b)
                )
        return found[0], found[1], self.turns(sweep)

    def worst_costs(
        self, parts: Parts, deadline: float | None = None
    ) -> tuple[np.ndarray, np.ndarray, list[Turn | None]]:
        """No start costs more (B,), a corner that may cost much (B, nx), and neurons to split."""
        _, above, turns = self.costs(parts, deadline)
        return *above.most(parts), turns

    def violations(
        self, parts: Parts, deadline: float | None = None
    ) -> tuple[np.ndarray, np.ndarray, list[Turn | None]]:
        """The most by which any hard constraint is violated at any step, see `worst_costs`."""
        sweep, least, most = self.start(parts, deadline)
        worst = np.zeros(len(least))
        for t in range(1, self.loop.horizon + 1):
            self.advance(sweep, least, most)
            worst = np.maximum(worst, self.measures.excess(least, most, t)[1].max(-1, initial=0.0))
        worst = np.where(sweep.empty, -np.inf, worst)
        return worst, (parts.low + parts.high) / 2, self.turns(sweep)


def _power_of_two(size: np.ndarray) -> np.ndarray:
    """Powers of two near sizes; 1 for zeros."""
    usable = np.isfinite(size) & (size > 0)
    return 2.0 ** np.round(np.log2(np.where(usable, size, 1.0)))


def _known(sides: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(sides), sides, 0.0)


def _allowed(size: np.ndarray) -> np.ndarray:
    """What is no violation yet of a limit and a state of such sizes."""
    return np.where(size < SMALL, np.maximum(2e-6 * size, 1e-12), TOLERANCE)
