"""Branch and bound over boxes of starts: a map of where constraints are kept.

Boxes are split where their trajectories differ most, and by the first neuron (a step) that turns as
long as both cases have starts of their own, see `cases`. Every batch is first rolled out at a few
starts, which are exact: they tell what can still be proved about a box, so that nothing is bounded
in vain, and are counterexamples where they violate a constraint.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sparsectl.threads import one_thread
from sparsectl.verify import edges
from sparsectl.verify.bounds import Bounds
from sparsectl.verify.cases import OPEN, Case, Parts, Turn
from sparsectl.verify.spread import HERE, Spread
from sparsectl.verify.sweep import TimeUp

SAFE, BROKEN, MIXED = range(3)
KINDS = ("safe", "violates", "mixed", "undecided")
"""Every start keeps all constraints (proved); every start violates one (proved); some start does
(exact), others are not known; nothing is known but that the starts tried keep them."""
_CASES = 32
"""Of a box with more open cases an edge is cut."""
_DEALT = 64
"""Boxes of every process when work is spread."""


@dataclass
class Map:
    """Boxes of starts and what is known about each.

    Attributes:
        low, high: Shape (n, nx).
        kind: index into `KINDS`. Shape (n,).
        worst: exact violation at the worst start tried in each. Shape (n,).
        start: that start. Shape (n, nx).
    """

    low: np.ndarray
    high: np.ndarray
    kind: np.ndarray
    worst: np.ndarray
    start: np.ndarray
    boxes: int
    finished: bool
    seconds: float

    @property
    def shares(self) -> dict[str, float]:
        """Share of the volume of each kind."""
        widths = self.high - self.low
        free = (widths > 0).any(axis=0)
        volume = np.prod(widths[:, free] / widths[:, free].max(axis=0, initial=0.0), axis=1)
        total = volume.sum()
        return {name: float(volume[self.kind == k].sum() / total) for k, name in enumerate(KINDS)}

    def rows(self, names: Sequence[str]) -> list[dict[str, object]]:
        """One row a box: its kind, the exact violation at its worst start tried, its ends."""
        return [
            {"kind": KINDS[self.kind[k]], "worst": float(f"{self.worst[k]:.6g}")}
            | {f"{n} {e}": float(v[k, i]) for i, n in enumerate(names)
               for e, v in (("low", self.low), ("high", self.high))}
            for k in range(len(self.kind))
        ]  # fmt: skip


@dataclass
class _Cell:
    """A box of the map, the cases that together hold its starts, and the worst start known."""

    low: np.ndarray
    high: np.ndarray
    cases: list[Case]
    value: float
    start: np.ndarray
    wanted: int = OPEN
    axis: int | None = None

    @property
    def open(self) -> list[Case]:
        """Cases of which nothing is proved."""
        return [case for case in self.cases if case.kind == OPEN]

    def kind(self) -> int:
        """What is known of all its starts."""
        kinds = {case.kind for case in self.cases} or {self.wanted}
        if len(kinds) == 1 and kinds != {OPEN}:
            return kinds.pop()
        return MIXED if self.value > 0 else OPEN

    def halves(self) -> list[_Cell]:
        """Both halves along an edge."""
        assert self.axis is not None
        found = []
        for low, high in edges.halves(self.low, self.high, self.axis):
            cases = [c for c in (case.within(low, high) for case in self.cases) if c is not None]
            inside = bool(((low <= self.start) & (self.start <= high)).all())
            value = self.value if inside else -np.inf
            found.append(_Cell(low, high, cases, value, self.start if inside else low))
        return found


@one_thread()
def draw_map(
    bounds: Bounds, low: np.ndarray, high: np.ndarray, *, edge: float, deadline: float | None,
    spread: Spread = HERE,
) -> Map:  # fmt: skip
    """Decide boxes until their edges are below a share of all starts', or the deadline.

    What becomes of a box depends on it alone (to rounding), so that a map that is finished is the
    same however it was spread.

    Args:
        bounds: of a loop with hard constraints.
        low, high: box of starts. Shape (nx,).
        edge: share of the box's edges below which nothing is split.
        deadline: `time.perf_counter()` value, or None.
        spread: processes among which boxes are dealt.
    """
    began, least = time.perf_counter(), edge * (high - low)
    few = None if spread.pool is None else _DEALT * spread.workers
    whole = _Cell(low, high, [Case.box(low, high)], -np.inf, low)
    done, queue, count = _decide(bounds, least, [whole], deadline, few=few)
    while queue and (deadline is None or time.perf_counter() < deadline):
        end, now = deadline, time.perf_counter()
        if end is not None:  # they are dealt anew, which takes time, as some are done early
            end = min(end, now + max(5.0, 0.75 * (end - now)))
        dealt = [queue[k :: spread.workers] for k in range(spread.workers)]
        late = 0.0 if deadline is None or end is None else deadline - end
        decide = partial(_decide, bounds, least, few=None, late=late)
        calls = [partial(decide, cells) for cells in dealt if cells]
        found = spread.run(calls, [end] * len(calls))
        queue = [cell for _, left, _ in found for cell in left]
        done += [cell for those, _, _ in found for cell in those]
        count += sum(n for *_, n in found)
    cells = sorted([*done, *queue], key=lambda cell: (*cell.low, *cell.high))
    lows, highs, at = (np.stack([getattr(c, e) for c in cells]) for e in ("low", "high", "start"))
    worst, kinds = np.array([max(c.value, 0.0) for c in cells]), np.array([c.kind() for c in cells])
    seconds = time.perf_counter() - began
    return Map(lows, highs, kinds, worst, at, count, not queue, seconds)


def _decide(
    bounds: Bounds, least: np.ndarray, cells: Sequence[_Cell], deadline: float | None,
    *, few: int | None, late: float = 0.0,
) -> tuple[list[_Cell], list[_Cell], int]:  # fmt: skip
    """Decide cells, until there are some to deal out. Those done, those left, boxes looked at.

    A batch that was begun before the deadline may end `late`, but no later.
    """
    last = None if deadline is None else deadline + late
    queue, done, count = deque(cells), list[_Cell](), 0
    while queue and (deadline is None or time.perf_counter() < deadline or not count):
        if few is not None and len(queue) >= few:
            break
        batch: list[_Cell] = []
        while queue and sum(len(cell.open) for cell in batch) < bounds.batch:
            batch.append(queue.popleft())
        fresh = [cell for cell in batch if cell.axis is None]
        count += len(fresh)
        if fresh:
            _roll_out(bounds, fresh, least)
        try:
            split = _prove(bounds, batch, last)
        except TimeUp:
            queue.extend(batch)
            break
        for cell in batch:
            if cell.kind() in (SAFE, BROKEN):
                done.append(cell)
            elif id(cell) in split:
                queue.appendleft(cell)
            elif cell.axis is not None and cell.axis >= 0:
                halves = cell.halves()
                queue.extend(halves) if len(cell.cases) == 1 else queue.extendleft(halves)
            else:
                done.append(cell)
    return done, list(queue), count


def _roll_out(bounds: Bounds, cells: list[_Cell], least: np.ndarray) -> None:
    """Note what can still be proved of cells, the edge to split, and the worst start tried."""
    loop, constraints = bounds.loop, bounds.loop.problem.constraints
    lows, highs = (np.stack([getattr(c, e) for c in cells]) for e in ("low", "high"))
    points = edges.points(lows, highs)
    states, _ = loop.rollout(points)
    with np.errstate(invalid="ignore"):
        excess = constraints.worst(states)
        bad = constraints.violated(states).any((-1, -2)) | ~np.isfinite(excess)
    excess = np.where(np.isfinite(excess), excess, np.finfo(float).max)
    axis, can = edges.axis(states, lows, highs, least)
    worst = np.where(bad, excess, -np.inf).argmax(axis=1)
    for k, cell in enumerate(cells):
        cell.axis = int(axis[k]) if can[k] else -1
        cell.wanted = BROKEN if bad[k].all() else SAFE if not bad[k].any() else OPEN
        if any(case.kind not in (cell.wanted, OPEN) for case in cell.cases):
            cell.wanted = OPEN
        if bad[k].any() and excess[k, worst[k]] > cell.value:
            cell.value, cell.start = float(excess[k, worst[k]]), points[k, worst[k]]


def _prove(bounds: Bounds, cells: list[_Cell], deadline: float | None) -> set[int]:
    """Prove what is wanted of the open cases of cells; the cells of which some case was split."""
    split: set[int] = set()
    for wanted in (SAFE, BROKEN):
        those = [c for c in cells if c.wanted == wanted]
        cases = [case for cell in those for case in cell.open]
        if not cases:
            continue
        found = iter(_proved(bounds, cases, wanted, deadline))
        for cell in those:
            parts: list[Case] = []
            few = len(cell.open) < _CASES
            for case in cell.cases:
                whole, turn = next(found) if case.kind == OPEN else (True, None)
                if whole:
                    parts.append(replace(case, kind=wanted))
                elif turn is not None and (cell.axis == -1 or (few and turn.divides(case))):
                    parts += turn.cases(case)
                    split.add(id(cell))
                else:
                    parts.append(case)
            cell.cases = parts
    return split


def _proved(
    bounds: Bounds, cases: list[Case], wanted: int, deadline: float | None
) -> list[tuple[bool, Turn | None]]:
    """Whether it is proved of each case, and the first neuron that turns in it."""
    left = np.arange(len(cases))
    found: list[tuple[bool, Turn | None]] = [(True, None)] * len(cases)
    sweep, least, most = bounds.start(Parts.of(cases), deadline)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(bounds.loop.horizon):
            bounds.advance(sweep, least, most)
            proved = sweep.empty.copy()
            if wanted == SAFE:
                failed = ~bounds.kept(sweep, least, most) & ~proved
            else:
                proved |= bounds.broken(sweep, least, most)
                failed = ~proved & ~np.isfinite(sweep.high[:, sweep.t]).all(axis=1)
                failed |= ~proved & (t + 1 == bounds.loop.horizon)
            turns = bounds.turns(sweep) if failed.any() else []
            for k in np.flatnonzero(failed):
                found[left[k]] = False, turns[k]
            on = ~(failed | proved)
            left, least, most = left[on], least[on], most[on]
            sweep.keep(on)
            if not len(left):
                break
    return found
