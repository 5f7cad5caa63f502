"""Branch and bound over boxes of starts: a map of where constraints are kept, and the worst case.

Boxes are split where their trajectories differ most, and by the first neuron (a step) that turns as
long as both cases have starts of their own, see `cases`. Every batch is first rolled out at a few
starts, which are exact: they tell what can still be proved about a box, so that nothing is bounded
in vain, and are counterexamples where they violate a constraint.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sparsectl.verify.bounds import Bounds
from sparsectl.verify.cases import OPEN, Case, Parts, Turn

SAFE, BROKEN, MIXED = range(3)
KINDS = ("safe", "violates", "mixed", "undecided")
"""Every start keeps all constraints (proved); every start violates one (proved); some start does
(exact), others are not known; nothing is known but that the starts tried keep them."""
_BATCH = 64
_CASES = 32
"""Of a box with more open cases an edge is cut."""
_NARROW = 1e-9
"""Boxes whose widest edge is below this, relative to the box of all starts, are not split."""


@dataclass
class Map:
    """Boxes of starts and what is known about each.

    Attributes:
        low, high: Shape (n, nx).
        kind: index into `KINDS`. Shape (n,).
        worst: exact violation at the worst start tried in each. Shape (n,).
        start: that start. Shape (n, nx).
        boxes: that were looked at.
        finished: nothing is left to split.
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


@dataclass(frozen=True)
class Worst:
    """The worst start found, and how bad any start can be.

    Attributes:
        value: exact, at `start`.
        start: Shape (nx,).
        bound: no start is worse; inf where nothing is known.
        boxes: that were looked at.
        closed: whether the gap is as small as was asked for.
        trace: (seconds, value, bound).
    """

    value: float
    start: np.ndarray
    bound: float
    boxes: int
    closed: bool
    seconds: float
    trace: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def gap(self) -> float | None:
        """(bound - value) / |bound|; None without a bound."""
        if not np.isfinite(self.bound):
            return None
        return max(0.0, (self.bound - self.value) / max(abs(self.bound), 1e-9))


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
        for low, high in _halves(self.low, self.high, self.axis):
            cases = [c for c in (case.within(low, high) for case in self.cases) if c is not None]
            inside = bool(((low <= self.start) & (self.start <= high)).all())
            value = self.value if inside else -np.inf
            found.append(_Cell(low, high, cases, value, self.start if inside else low))
        return found


def draw_map(
    bounds: Bounds, low: np.ndarray, high: np.ndarray, *, edge: float, deadline: float | None
) -> Map:
    """Decide boxes until their edges are below a share of all starts', or the deadline.

    Args:
        bounds: of a loop with hard constraints.
        low, high: box of starts. Shape (nx,).
        edge: share of the box's edges below which nothing is split.
        deadline: `time.perf_counter()` value, or None.
    """
    began = time.perf_counter()
    queue = deque([_Cell(low, high, [Case.box(low, high)], -np.inf, low)])
    done: list[_Cell] = []
    count = 0
    while queue and (deadline is None or time.perf_counter() < deadline or not count):
        batch: list[_Cell] = []
        while queue and sum(len(cell.open) for cell in batch) < _BATCH:
            batch.append(queue.popleft())
        fresh = [cell for cell in batch if cell.axis is None]
        count += len(fresh)
        if fresh:
            _roll_out(bounds, fresh, edge * (high - low))
        split = _prove(bounds, batch)
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
    cells, finished = [*done, *queue], not queue
    lows, highs, at = (np.stack([getattr(c, e) for c in cells]) for e in ("low", "high", "start"))
    worst, kinds = np.array([max(c.value, 0.0) for c in cells]), np.array([c.kind() for c in cells])
    seconds = time.perf_counter() - began
    return Map(lows, highs, kinds, worst, at, count, finished, seconds)


def _roll_out(bounds: Bounds, cells: list[_Cell], least: np.ndarray) -> None:
    """Note what can still be proved of cells, the edge to split, and the worst start tried."""
    loop, constraints = bounds.loop, bounds.loop.problem.constraints
    lows, highs = (np.stack([getattr(c, e) for c in cells]) for e in ("low", "high"))
    points = _points(lows, highs)
    states, _ = loop.rollout(points)
    with np.errstate(invalid="ignore"):
        excess = constraints.worst(states)
        bad = constraints.violated(states).any((-1, -2)) | ~np.isfinite(excess)
    excess = np.where(np.isfinite(excess), excess, np.finfo(float).max)
    axis, can = _axis(states, lows, highs, least)
    worst = np.where(bad, excess, -np.inf).argmax(axis=1)
    for k, cell in enumerate(cells):
        cell.axis = int(axis[k]) if can[k] else -1
        cell.wanted = BROKEN if bad[k].all() else SAFE if not bad[k].any() else OPEN
        if any(case.kind not in (cell.wanted, OPEN) for case in cell.cases):
            cell.wanted = OPEN
        if bad[k].any() and excess[k, worst[k]] > cell.value:
            cell.value, cell.start = float(excess[k, worst[k]]), points[k, worst[k]]


def _prove(bounds: Bounds, cells: list[_Cell]) -> set[int]:
    """Prove what is wanted of the open cases of cells; the cells of which some case was split."""
    split: set[int] = set()
    for wanted in (SAFE, BROKEN):
        those = [c for c in cells if c.wanted == wanted]
        cases = [case for cell in those for case in cell.open]
        if not cases:
            continue
        found = iter(_proved(bounds, cases, wanted))
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


def _proved(bounds: Bounds, cases: list[Case], wanted: int) -> list[tuple[bool, Turn | None]]:
    """Whether it is proved of each case, and the first neuron that turns in it."""
    left = np.arange(len(cases))
    found: list[tuple[bool, Turn | None]] = [(True, None)] * len(cases)
    sweep, least, most = bounds.start(Parts.of(cases))
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


def maximise(
    value: Callable[[np.ndarray], np.ndarray],
    bound: Callable[[Parts], tuple[np.ndarray, np.ndarray, Sequence[Turn | None]]],
    low: np.ndarray,
    high: np.ndarray,
    *,
    gap: float,
    deadline: float | None,
    starts: np.ndarray | None = None,
    batch: int = _BATCH,
    nodes: int | None = None,
    scout: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Worst:
    """The largest value over a box, by splitting the part of it whose bound is largest.

    Args:
        value: exact, of starts (n, nx).
        bound: of B cases: no start in them has a larger value (B,), a promising start in each,
            (B, nx), and a neuron of each that may be split.
        low, high: all starts. Shape (nx,).
        gap: relative to the bound, at which to stop.
        deadline: `time.perf_counter()` value, or None.
        starts: further ones to try first. Shape (n, nx).
        batch: cases at a time.
        nodes: cases at most, or None.
        scout: tells which edge to split in place of `value`, where that takes long.
    """
    began, order, count = time.perf_counter(), itertools.count(), 0
    best, at = -np.inf, low
    trace: list[tuple[float, float, float]] = []

    def attempt(points: np.ndarray) -> np.ndarray:
        nonlocal best, at
        with np.errstate(over="ignore", invalid="ignore"):
            found = value(points)
        found = np.where(np.isnan(found), -np.inf, found)
        k = int(np.argmax(found))
        if found[k] > best:
            best, at = float(found[k]), points[k]
        return found

    if starts is not None and len(starts):
        attempt(starts)
    whole = high - low
    queue: list[tuple[float, int, list[Case]]] = []
    fresh = [(Case.box(low, high), np.inf)]
    settled = -np.inf
    while True:
        for chunk in _chunks(fresh, batch):
            parts = Parts.of([case for case, _ in chunk])
            points = _points(parts.low, parts.high)
            found = (scout or attempt)(points.reshape(-1, len(low))).reshape(points.shape[:2])
            with np.errstate(over="ignore", invalid="ignore"):
                upper, promising, turns = bound(parts)
            attempt(promising)
            upper = np.where(np.isnan(upper), np.inf, upper)
            upper = np.minimum(upper, [f[1] for f in chunk])
            axis, can = _axis(found[..., None, None], parts.low, parts.high, whole * _NARROW)
            count += len(chunk)
            for k, (case, _) in enumerate(chunk):
                turn = turns[k]
                if upper[k] <= best:
                    continue
                if turn is not None and (turn.divides(case) or not can[k]):
                    children = turn.cases(case)
                elif can[k]:
                    both = _halves(case.low, case.high, int(axis[k]))
                    children = [c for c in (case.within(*half) for half in both) if c is not None]
                else:
                    settled = max(settled, float(upper[k]))
                    continue
                heapq.heappush(queue, (-float(upper[k]), next(order), children))
        top = max(-queue[0][0] if queue else -np.inf, settled, best)
        trace.append((time.perf_counter() - began, best, top))
        closed = top - best <= max(gap * abs(top), 1e-9 * (1e-300 + abs(top)))
        late = deadline is not None and time.perf_counter() > deadline
        if closed or not queue or late or (nodes is not None and count >= nodes):
            return Worst(best, at, top, count, closed, time.perf_counter() - began, _thin(trace))
        fresh = []
        while queue and len(fresh) < batch:
            upper_, _, children = heapq.heappop(queue)
            if -upper_ <= best:
                break
            fresh += [(case, -upper_) for case in children]


def _chunks(items: list, size: int) -> list[list]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _thin(trace: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """At most some hundred entries, those at which something changed."""
    kept = [t for i, t in enumerate(trace) if i == 0 or t[1:] != trace[i - 1][1:]]
    return kept[:: max(1, len(kept) // 100)] + ([kept[-1]] if kept else [])


def _points(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The middle of every box and the middles of its faces, a little inside. (B, 1 + 2 nx, nx)."""
    middle, radius = (low + high) / 2, (high - low) / 2
    eye = 0.9 * np.eye(low.shape[1])
    way = np.concatenate([0.0 * eye[:1], eye, -eye])
    return np.clip(middle[:, None] + way * radius[:, None], low[:, None], high[:, None])


def _axis(
    found: np.ndarray, low: np.ndarray, high: np.ndarray, least: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The edge of every box along which what was found at `_points` differs most, (B,).

    Args:
        found: Shape (B, 1 + 2 nx, steps, entries).
        low, high: boxes. Shape (B, nx).
        least: edges below this are not cut. Shape (nx,).

    Returns:
        Edges, and whether there is one that can be cut. Two arrays of shape (B,).
    """
    n, wide = low.shape[1], (high - low) > least * (1 + 1e-9)
    with np.errstate(over="ignore", invalid="ignore"):
        differ = abs(found[:, 1 : 1 + n] - found[:, 1 + n :])
        differ = np.where(np.isfinite(differ), differ, 0.0)
        size = differ.max(axis=1, keepdims=True)
        score = (differ / np.where(size > 0, size, 1.0)).mean((-1, -2))
    share = (high - low) / np.where(least > 0, least, 1.0)
    share = share / np.maximum(share.max(axis=1, keepdims=True), 1e-300)
    score = np.where(wide, score + 0.05 * share, -1.0)
    return score.argmax(axis=1), wide.any(axis=1)


def _halves(
    low: np.ndarray, high: np.ndarray, axis: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    left, right = high.copy(), low.copy()
    left[axis] = right[axis] = (low[axis] + high[axis]) / 2
    return (low, left), (right, high)
