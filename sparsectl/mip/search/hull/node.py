"""One region of plans: modes, boxes of effective inputs, and its relaxation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.search.hull.stage import Stage


@dataclass(frozen=True)
class Node:
    """A region of plans.

    Attributes:
        stages: modes of every step inside the region.
        seeds: points of the graph that its relaxation starts from. One (n, dimension) a step.
        bound: proved lower bound on the cost inside.
    """

    stages: tuple[Stage, ...]
    seeds: tuple[np.ndarray, ...]
    bound: float = -np.inf

    @property
    def empty(self) -> bool:
        """A step has no modes left: there are no plans."""
        return not all(len(stage.points) for stage in self.stages)

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the effective inputs of the steps after the first. Shape (H - 1, dimension)."""
        low = [stage.low for stage in self.stages[1:]]
        return np.array(low), np.array([stage.high for stage in self.stages[1:]])

    def seeded(self) -> list[Stage]:
        """The stages with those seeds that lie inside as further points; these come last."""
        return [s.with_points(_inside(s, p)) for s, p in zip(self.stages, self.seeds, strict=True)]

    def clipped(self, low: np.ndarray, high: np.ndarray) -> Node:
        """The part inside smaller boxes. Shape (H - 1, dimension)."""
        cut = [
            stage if _same(stage, lo, hi) else stage.clipped(lo, hi, stage.sign)
            for stage, lo, hi in zip(self.stages[1:], low, high, strict=True)
        ]
        return replace(self, stages=(self.stages[0], *cut))

    def children(self, t: int, neuron: int, bounds: tuple[float, float]) -> list[Node]:
        """Both sides of a neuron at step t, on and off, with their bounds."""
        children = []
        for on, bound in zip((True, False), bounds, strict=True):
            stages = (*self.stages[:t], self.stages[t].side(neuron, on), *self.stages[t + 1 :])
            children.append(Node(stages, self.seeds, bound))
        return [child for child in children if not child.empty]


def _same(stage: Stage, low: np.ndarray, high: np.ndarray) -> bool:
    slack = 1e-3 * (stage.high - stage.low)
    return bool((low <= stage.low + slack).all() and (high >= stage.high - slack).all())


def _inside(stage: Stage, points: np.ndarray) -> np.ndarray:
    """Those of some effective inputs that are in the stage's box and on its neurons' sides."""
    if not len(points):
        return points
    within = ((points >= stage.low) & (points <= stage.high)).all(axis=1)
    pre, _ = stage.evaluate(points)
    return points[within & (pre * stage.sign >= -1e-9).all(axis=1)]
