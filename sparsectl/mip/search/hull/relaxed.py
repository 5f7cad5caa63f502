"""Solution of one node of the hull search, and where to branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sparsectl.mip.search.hull.master import Master


class Relaxed:
    """Solution of one node's relaxation.

    Attributes:
        bound: proved lower bound of the node.
        actions: Shape (H, nu).
    """

    def __init__(self, bound: float, values: np.ndarray, y: np.ndarray, master: Master) -> None:
        self.bound, self._y, self._master = bound, y, master
        self.actions = values[master.u]
        self._weights = values[master.first :]

    def support(self) -> tuple[np.ndarray, ...]:
        """Effective inputs of the vertices in use, one array (n, dimension) a step."""
        steps, vertices = self._master.columns(len(self._weights))
        used = self._weights > 1e-9
        return tuple(
            stage.points[vertices[used & (steps == t)]]
            for t, stage in enumerate(self._master.stages)
        )

    def candidates(self) -> list[tuple[int, int]]:
        """(step, neuron) pairs to branch on, best first; empty when nothing is convexified.

        A neuron matters by the smaller of its mean positive and mean negative pre-activation
        over the vertices in use (its Jensen gap), times how much the cost depends on it: by the
        duals, and a little by the cost weights downstream where duals are degenerate. The best
        of every step come first.
        """
        master, ranked = self._master, []
        steps, vertices = master.columns(len(self._weights))
        for t, stage in enumerate(master.stages):
            used = np.flatnonzero((steps == t) & (self._weights > 1e-9))
            if len(used) < 2:
                continue
            weights = self._weights[used] / self._weights[used].sum()
            pre = stage.pre[vertices[used]]
            gap = np.minimum(weights @ np.maximum(pre, 0), weights @ np.maximum(-pre, 0))
            moved = master.moved[t]
            y = self._y[master.rows[t]][len(stage.S) :]
            by_dual = stage.Q[moved].T @ y
            by_weight = abs(stage.Q[moved]).T @ self._downstream(t)[moved]
            share = weights @ (pre > 1e-9)
            stop = pre.shape[1]
            for layer in reversed(stage.layers):
                start = stop - len(layer.b)
                inner = share[start:stop]
                by_dual[:start] += layer.Z.T @ (inner * by_dual[start:stop])
                by_weight[:start] += abs(layer.Z).T @ (inner * by_weight[start:stop])
                stop = start
            score = gap * (abs(by_dual) + 0.02 * by_weight)
            for place, i in enumerate(np.argsort(-score)):
                if score[i] > 1e-9:
                    ranked.append((place, -score[i], t, int(i)))
        return [(t, i) for _, _, t, i in sorted(ranked)]

    def _downstream(self, t: int) -> np.ndarray:
        """Cost weight of every state entry at the steps after t. Shape (nx,)."""
        problem = self._master.problem
        total = np.zeros(problem.nx)
        for term in problem.cost.terms:
            total += abs(term.E).sum(axis=0) * term.weights(problem.horizon)[t:].sum()
        return total
