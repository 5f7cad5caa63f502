"""The worst start in a box, by branch and bound: the part whose bound is largest is split first."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl.threads import one_thread
from sparsectl.verify.cases import Case, Parts, Turn
from sparsectl.verify.edges import NARROW, axis, halves, points
from sparsectl.verify.sweep import TimeUp


@dataclass(frozen=True)
class Worst:
    """The worst start found, and how bad any start can be.

    Attributes:
        value: exact, at `start`.
        start: Shape (nx,).
        bound: no start is worse; inf where nothing is known.
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


@one_thread()
def maximise(
    value: Callable[[np.ndarray], np.ndarray],
    bound: Callable[[Parts], tuple[np.ndarray, np.ndarray, Sequence[Turn | None]]],
    low: np.ndarray,
    high: np.ndarray,
    *,
    gap: float,
    deadline: float | None,
    starts: np.ndarray | None = None,
    batch: int = 64,
    nodes: int | None = None,
    scout: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Worst:
    """The largest value over a box, by splitting the part of it whose bound is largest.

    Args:
        value: exact, of starts (n, nx).
        bound: of B cases: no start in them has a larger value (B,), a promising start in each,
            (B, nx), and a neuron of each that may be split. Where it raises `TimeUp`, they stay.
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
    up = False

    def late() -> bool:
        return deadline is not None and time.perf_counter() > deadline

    def attempt(starts: np.ndarray) -> np.ndarray:
        nonlocal best, at
        with np.errstate(over="ignore", invalid="ignore"):
            found = value(starts)
        found = np.where(np.isnan(found), -np.inf, found)
        k = int(np.argmax(found))
        if found[k] > best:
            best, at = float(found[k]), starts[k]
        return found

    for some in _chunks(starts if starts is not None else [], batch):
        if not late():
            attempt(np.asarray(some))
    whole = high - low
    queue: list[tuple[float, int, list[Case]]] = []
    fresh = [(Case.box(low, high), np.inf)]
    settled = -np.inf
    while True:
        for chunk in _chunks(fresh, batch):
            parts = Parts.of([case for case, _ in chunk])
            tried = points(parts.low, parts.high)
            found = (scout or attempt)(tried.reshape(-1, len(low))).reshape(tried.shape[:2])
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    upper, promising, turns = bound(parts)
            except TimeUp:
                up = True
                for case, known in chunk:
                    heapq.heappush(queue, (-known, next(order), [case]))
                continue
            attempt(promising)
            upper = np.where(np.isnan(upper), np.inf, upper)
            upper = np.minimum(upper, [f[1] for f in chunk])
            edge, can = axis(found[..., None, None], parts.low, parts.high, whole * NARROW)
            count += len(chunk)
            for k, (case, _) in enumerate(chunk):
                turn = turns[k]
                if upper[k] <= best:
                    continue
                if turn is not None and (turn.divides(case) or not can[k]):
                    children = turn.cases(case)
                elif can[k]:
                    both = halves(case.low, case.high, int(edge[k]))
                    children = [c for c in (case.within(*half) for half in both) if c is not None]
                else:
                    settled = max(settled, float(upper[k]))
                    continue
                heapq.heappush(queue, (-float(upper[k]), next(order), children))
        top = max(-queue[0][0] if queue else -np.inf, settled, best)
        trace.append((time.perf_counter() - began, best, top))
        closed = np.isfinite(top) and top - best <= max(gap * abs(top), 1e-9 * (1e-300 + abs(top)))
        if closed or not queue or up or late() or (nodes is not None and count >= nodes):
            return Worst(best, at, top, count, closed, time.perf_counter() - began, _thin(trace))
        fresh = []
        while queue and len(fresh) < batch:
            upper_, _, children = heapq.heappop(queue)
            if -upper_ <= best:
                break
            fresh += [(case, -upper_) for case in children]


def _chunks(items: Any, size: int) -> list[Any]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _thin(trace: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """At most some hundred entries, those at which something changed."""
    kept = [t for i, t in enumerate(trace) if i == 0 or t[1:] != trace[i - 1][1:]]
    return kept[:: max(1, len(kept) // 100)] + ([kept[-1]] if kept else [])
