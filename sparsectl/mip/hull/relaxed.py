"""Solution of one node of the hull search, and where to branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sparsectl.mip.hull.master import Master


class Relaxed:
    """Solution of one node's relaxation.

    Attributes:
        bound: proved lower bound of the node.
        actions: Shape (H, nu).
    """

    def __init__(self, bound: float, values: np.ndarray, y: np.ndarray, master: Master) -> None:
        self.bound, self._y, self._master = bound, y, master
        self.actions = values[master.u]
        self._weights = values[master._first :]

    def branch(self) -> tuple[int, int] | None:
        """The (step, neuron) whose convexification matters most; None when nothing is convexified.

        A neuron matters by the smaller of its mean positive and mean negative pre-activation
        over the vertices in use (its Jensen gap), times how much the cost depends on it: by the
        duals, and a little by the cost weights downstream where duals are degenerate.
        """
        master, best, chosen = self._master, 1e-9, None
        steps, vertices = master._step[: len(self._weights)], master._vertex[: len(self._weights)]
        for t, stage in enumerate(master.stages):
            used = np.flatnonzero((steps == t) & (self._weights > 1e-9))
            if len(used) < 2:
                continue
            weights = self._weights[used] / self._weights[used].sum()
            pre = stage.pre[vertices[used]]
            gap = np.minimum(weights @ np.maximum(pre, 0), weights @ np.maximum(-pre, 0))
            moved = master._moved[t]
            y = self._y[master._rows[t]][len(stage.S) :]
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
            i = int(np.argmax(score))
            if score[i] > best:
                best, chosen = score[i], (t, i)
        return chosen

    def _downstream(self, t: int) -> np.ndarray:
        """Cost weight of every state entry at the steps after t. Shape (nx,)."""
        problem = self._master.problem
        total = np.zeros(problem.nx)
        for term in problem.cost.terms:
            total += abs(term.E).sum(axis=0) * term.weights(problem.horizon)[t:].sum()
        return total
