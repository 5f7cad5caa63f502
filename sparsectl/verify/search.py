"""Branch and bound over boxes of starts: a map of where constraints are kept, and the worst case.

Boxes are split where their trajectories differ most. Every batch is first rolled out at a few
starts, which are exact: they tell what can still be proved about a box, so that nothing is bounded
in vain, and are counterexamples where they violate a constraint.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sparsectl.verify.bounds import Bounds

SAFE, BROKEN, MIXED, OPEN = range(4)
KINDS = ("safe", "violates", "mixed", "undecided")
"""Every start keeps all constraints (proved); every start violates one (proved); some start does
(exact), others are not known; nothing is known but that the starts tried keep them."""
_BATCH = 64
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
    began, loop = time.perf_counter(), bounds.loop
    constraints, whole = loop.problem.constraints, high - low
    queue: deque[tuple[np.ndarray, np.ndarray, float, np.ndarray]] = deque()
    queue.append((low, high, -np.inf, low))
    done: list[tuple[np.ndarray, np.ndarray, int, float, np.ndarray]] = []
    count = 0
    while queue and (deadline is None or time.perf_counter() < deadline or not count):
        batch = [queue.popleft() for _ in range(min(_BATCH, len(queue)))]
        count += len(batch)
        lows, highs = (np.stack([b[i] for b in batch]) for i in (0, 1))
        points = _points(lows, highs)
        states, _ = loop.rollout(points)
        with np.errstate(invalid="ignore"):
            excess = constraints.worst(states)
            bad = constraints.violated(states).any((-1, -2)) | ~np.isfinite(excess)
        excess = np.where(np.isfinite(excess), excess, np.finfo(float).max)
        kind = _prove(bounds, lows, highs, bad)
        axis, can = _axis(states, lows, highs, whole * edge)
        worst = np.where(bad, excess, -np.inf).argmax(axis=1)
        for k, (l, h, value, start) in enumerate(batch):  # noqa: E741
            own = float(excess[k, worst[k]]) if bad[k].any() else 0.0
            if own > value:
                value, start = own, points[k, worst[k]]
            if kind[k] != OPEN or not can[k]:
                mixed = value > 0 and kind[k] == OPEN
                done.append((l, h, MIXED if mixed else int(kind[k]), max(value, 0.0), start))
                continue
            for part in _halves(l, h, int(axis[k])):
                inside = ((part[0] <= start) & (start <= part[1])).all()
                queue.append((*part, value if inside else -np.inf, start if inside else part[0]))
    finished = not queue
    for l, h, value, start in queue:  # noqa: E741
        done.append((l, h, MIXED if value > 0 else OPEN, max(value, 0.0), start))
    lows, highs, kinds, worst, at = (np.array(column) for column in zip(*done, strict=True))
    seconds = time.perf_counter() - began
    return Map(lows, highs, kinds, worst, at, count, finished, seconds)


def _prove(bounds: Bounds, low: np.ndarray, high: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Kinds of boxes, of which some starts (B, n) are known to be bad or not."""
    kind = np.full(len(low), OPEN)
    for wanted, index in ((SAFE, ~bad.any(axis=1)), (BROKEN, bad.all(axis=1))):
        left = np.flatnonzero(index)
        if not len(left):
            continue
        sweep, least, most = bounds.start(low[left], high[left])
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(bounds.loop.horizon):
                bounds.advance(sweep, least, most)
                if wanted == SAFE:
                    on = bounds.kept(sweep, least, most)
                else:
                    proved = bounds.broken(sweep, least, most)
                    kind[left[proved]] = BROKEN
                    on = ~proved & np.isfinite(sweep.high[:, sweep.t]).all(axis=1)
                left, least, most = left[on], least[on], most[on]
                sweep.keep(on)
                if not len(left):
                    break
        if wanted == SAFE:
            kind[left] = SAFE
    return kind


def maximise(
    value: Callable[[np.ndarray], np.ndarray],
    bound: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
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
    """The largest value over a box, by splitting the box whose bound is largest.

    Args:
        value: exact, of starts (n, nx).
        bound: of boxes (B, nx): no start in them has a larger value (B,), and a promising start in
            each, (B, nx).
        low, high: all starts. Shape (nx,).
        gap: relative to the bound, at which to stop.
        deadline: `time.perf_counter()` value, or None.
        starts: further ones to try first. Shape (n, nx).
        batch: boxes at a time.
        nodes: boxes at most, or None.
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
    queue: list[tuple[float, int, np.ndarray, np.ndarray, int]] = []
    fresh = [(low, high, np.inf)]
    settled = -np.inf
    while True:
        for chunk in _chunks(fresh, batch):
            lows, highs = (np.stack([f[i] for f in chunk]) for i in (0, 1))
            points = _points(lows, highs)
            found = (scout or attempt)(points.reshape(-1, len(low))).reshape(points.shape[:2])
            with np.errstate(over="ignore", invalid="ignore"):
                upper, promising = bound(lows, highs)
            attempt(promising)
            upper = np.where(np.isnan(upper), np.inf, upper)
            upper = np.minimum(upper, [f[2] for f in chunk])
            axis, can = _axis(found[..., None, None], lows, highs, whole * _NARROW)
            count += len(chunk)
            for k in range(len(chunk)):
                if not can[k]:
                    settled = max(settled, float(upper[k]))
                elif upper[k] > best:
                    heapq.heappush(
                        queue, (-float(upper[k]), next(order), lows[k], highs[k], int(axis[k]))
                    )
        top = max(-queue[0][0] if queue else -np.inf, settled, best)
        trace.append((time.perf_counter() - began, best, top))
        closed = top - best <= max(gap * abs(top), 1e-9 * (1e-300 + abs(top)))
        late = deadline is not None and time.perf_counter() > deadline
        if closed or not queue or late or (nodes is not None and count >= nodes):
            return Worst(best, at, top, count, closed, time.perf_counter() - began, _thin(trace))
        fresh = []
        while queue and len(fresh) < batch:
            upper_, _, l, h, i = heapq.heappop(queue)  # noqa: E741
            if -upper_ <= best:
                break
            fresh += [(*part, -upper_) for part in _halves(l, h, i)]


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
