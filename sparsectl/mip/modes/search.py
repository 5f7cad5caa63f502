"""Depth-first search for the reachable modes of a program over a box.

A cell is the box cut by the half-spaces of the neurons that were split on; inside it every
pre-activation is affine in the inputs. Known points of the cell say on which sides a neuron is
reached, and where they do not, two small linear programs do. A side is left out only with a
certificate, a bound by weak duality, which holds whatever the LP solver's tolerances.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.region import Cut, Region
from sparsectl.program.relu_program import Level, ReluProgram

TOLERANCE = 1e-7
"""A side counts as reached when a pre-activation goes this far into it, relative to its scale."""


@dataclass(frozen=True)
class Node:
    """A cell, at some level of the program.

    Attributes:
        cuts: rows (a, b) of `a v + b >= 0`, in the order they were made.
        level: index of the level being decided.
        Z, z: neurons of earlier levels as affine functions of the inputs.
        P, p: pre-activations of this level.
        on: decisions of all earlier levels and, where made, of this one. Shape (level.stop,).
        undecided: neurons of this level that may still switch, by index in the level.
        points: points of the cell. Shape (N, n).
    """

    cuts: tuple[Cut, ...]
    level: int
    Z: np.ndarray
    z: np.ndarray
    P: np.ndarray
    p: np.ndarray
    on: np.ndarray
    undecided: np.ndarray
    points: np.ndarray


class Search:
    """One depth-first search; `found` holds the patterns of the leaves."""

    def __init__(
        self, program: ReluProgram, low: np.ndarray, high: np.ndarray, sign: np.ndarray, cap: int,
        deadline: float | None,
    ) -> None:  # fmt: skip
        program.require_relus("listing modes")
        self._program, self._low, self._high, self._sign = program, low, high, sign
        self._cap, self._deadline = cap, deadline
        self._reach = np.maximum(abs(low), abs(high))
        self._region = Region(low, high)
        self.found: list[np.ndarray] = []
        self.sampled = np.zeros((0, program.m), dtype=bool)

    @property
    def programs(self) -> int:
        return self._region.programs

    def run(self, points: np.ndarray) -> str:
        """Search; returns why it was not completed, or nothing."""
        self.sampled = clear_patterns(self._program, points, self._sign)
        n, enough = self._program.n_in, f"stopped at {self._cap}"
        if len(self.sampled) > self._cap:
            return enough
        stack = self._enter((), 0, np.zeros((0, n)), np.zeros(0), np.zeros(0, bool), points)
        while stack:
            if self._deadline is not None and time.perf_counter() > self._deadline:
                return "out of time"
            if len(self.found) > self._cap:
                return enough
            node = stack.pop()
            self._region.keep(node.cuts)
            stack += self._children(node)
        return enough if len(self.found) > self._cap else ""

    def _enter(
        self, cuts: tuple[Cut, ...], level: int, Z: np.ndarray, z: np.ndarray, on: np.ndarray,
        points: np.ndarray,
    ) -> list[Node]:  # fmt: skip
        """The cell at its next level; after the last one its pattern is noted."""
        if level == len(self._program.levels):
            self.found.append(on)
            return []
        A, b = _dense(self._program.levels[level]), self._program.levels[level].b
        n = self._program.n_in
        P, p = A[:, :n] + A[:, n:] @ Z, A[:, n:] @ z + b
        on = np.concatenate([on, np.zeros(len(b), dtype=bool)])
        return [Node(cuts, level, Z, z, P, p, on, np.arange(len(b)), points)]

    def _children(self, node: Node) -> list[Node]:
        """The cell split by one neuron, or at its next level when none switches any more."""
        start, sign = self._program.levels[node.level].start, self._sign
        on, switching, points = node.on.copy(), [], [node.points]
        for j, above, below in self._sides(node, points):
            known = sign[start + j]
            if (known > 0 and below and not above) or (known < 0 and above and not below):
                return []
            on[start + j] = above
            if above and below:
                switching.append(j)
        every = np.concatenate(points)
        if not switching:
            Z = np.concatenate([node.Z, node.P * on[start:, None]])
            z = np.concatenate([node.z, node.p * on[start:]])
            return self._enter(node.cuts, node.level + 1, Z, z, on, every)
        j, children = switching[0], []
        for active in (False, True):
            if sign[start + j] == (-1 if active else 1):
                continue
            row, side = (node.P[j], node.p[j]) if active else (-node.P[j], -node.p[j])
            decided = on.copy()
            decided[start + j] = active
            children.append(
                replace(
                    node, cuts=(*node.cuts, (row, float(side))), on=decided,
                    undecided=np.array(switching[1:], dtype=int),
                    points=every[every @ row + side >= 0],
                )
            )  # fmt: skip
        return children

    def _sides(self, node: Node, points: list[np.ndarray]) -> Iterator[tuple[int, bool, bool]]:
        """(neuron of the level, reached above, reached below) of every undecided one."""
        values = node.points @ node.P.T + node.p
        center, radius = (self._low + self._high) / 2, (self._high - self._low) / 2
        for j in node.undecided:
            row, side, at = node.P[j], float(node.p[j]), values[:, j]
            small = TOLERANCE * max(float(abs(row) @ self._reach) + abs(side), 1e-300)
            middle, spread = float(row @ center) + side, float(abs(row) @ radius)
            above = bool(at.max(initial=-np.inf) > small) or (
                middle + spread > small and self._reached(row, side, small, points)
            )
            below = bool(at.min(initial=np.inf) < -small) or (
                middle - spread < -small and self._reached(-row, -side, small, points)
            )
            yield j, above, below

    def _reached(
        self, row: np.ndarray, side: float, small: float, points: list[np.ndarray]
    ) -> bool:
        bound, point = self._region.maximum(row, side)
        if bound > small and point is not None:
            points.append(point[None])
        return bound > small


def clear_patterns(
    program: ReluProgram, inputs: np.ndarray, sign: np.ndarray | None = None
) -> np.ndarray:
    """Distinct patterns at inputs that are clear of every boundary. Shape (modes, m), bool."""
    if program.m == 0:
        return np.zeros((min(1, len(inputs)), 0), dtype=bool)  # one empty pattern
    pre = program.evaluate(inputs)[1]
    scale = abs(pre).max(axis=0, initial=0.0)
    clear = ((abs(pre) > TOLERANCE * scale) | (scale == 0)).all(axis=1)
    if sign is not None:
        clear &= (pre * sign >= 0).all(axis=1)
    return np.unique(pre[clear] > 0, axis=0)


def _dense(level: Level) -> np.ndarray:
    return level.A if isinstance(level.A, np.ndarray) else level.A.toarray()
