"""The hull relaxation over the horizon, by column generation.

Every step's pair (s_t, Q z_t) is a convex combination of vertices of its graph; states, actions,
cost and constraints are linear. The master program starts with a few vertices and prices the
others by one matrix-vector product a step. Any row duals y give the Lagrangian bound

    L(y) = y'b + sum_j min over [l_j, u_j] of (c - A'y)_j x_j + sum_t min_v y_t'(s_v, Q z_v),

so what is reported is proved whatever the tolerance of the solver.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from sparsectl.mip import highs as highs_backend
from sparsectl.mip.hull.relaxed import Relaxed
from sparsectl.mip.hull.stage import Stage
from sparsectl.mip.model import Builder
from sparsectl.mip.objective import add_constraints, add_cost
from sparsectl.program.bounds import MARGIN, HorizonBounds
from sparsectl.task import Problem

Branch = tuple[int, int, bool]
"""(step, neuron, on): the neuron is kept on one side at that step."""

_BATCH = 10
_PENALTY = 200.0
_SIDE = 1e-9
_FAR = 1e9
_TIGHTEN_ROUNDS = 4


class Master:
    """Column-generation master program; branches are column filters."""

    def __init__(self, problem: Problem, bounds: HorizonBounds, stages: Sequence[Stage]) -> None:
        self.problem, self.stages = problem, list(stages)
        horizon, nx, nu = problem.horizon, problem.nx, problem.nu
        builder = Builder()
        self.u = builder.variables(
            bounds.u_low.ravel(), bounds.u_high.ravel(), horizon * nu
        ).reshape(horizon, nu)
        self.x = builder.variables(
            bounds.x_low[1:].ravel(), bounds.x_high[1:].ravel(), horizon * nx
        ).reshape(horizon, nx)
        self._rows: list[np.ndarray] = []
        self._moved: list[np.ndarray] = []
        for t, stage in enumerate(stages):
            inputs = self.u[0] if t == 0 else np.concatenate([self.x[t - 1], self.u[t]])
            moved = np.flatnonzero(abs(stage.Q).sum(axis=1) > 0)
            start, k = builder.rows, len(stage.S)
            builder.add([(inputs, stage.S)], 0.0, 0.0)
            builder.add([(self.x[t], np.ones(nx)), (inputs, -stage.D)], stage.d, stage.d)
            self._rows.append(np.concatenate([start + np.arange(k), start + k + moved]))
            self._moved.append(moved)
        add_cost(builder, problem, bounds, self.x, self.u)
        self.infeasible = add_constraints(builder, problem, bounds, self.x, None)
        # The cost as a row, without effect until `tighten` puts a limit on it.
        self._cost_row = builder.rows
        costly, weights = builder.linear_cost()
        builder.add([(costly, weights[None])], -np.inf, _FAR)
        self._convex = builder.rows + np.arange(horizon)
        for _ in range(horizon):
            builder.add([(self.u[0][:1], np.zeros((1, 1)))], 1.0, 1.0)
        self.model = builder.freeze(self.u, self.x, np.zeros((0, 5), int), self.infeasible)
        self._transposed = self.model.A.T.tocsr()
        self._highs = highs_backend.load(self.model, relax=True)
        self._highs.setOptionValue("presolve", "off")
        self._add_artificials()
        self._step = np.zeros(0, dtype=int)
        self._vertex = np.zeros(0, dtype=int)
        self._open = np.zeros(0, dtype=bool)
        self._known: list[set[int]] = [set() for _ in stages]
        self.programs = 0

    @property
    def columns(self) -> int:
        """Vertices in the master program so far."""
        return len(self._step)

    def _add_artificials(self) -> None:
        """Penalised slack on every row that columns feed, so that the program is feasible."""
        weight = 1.0 + max(
            (term.weights(self.problem.horizon).max() * abs(term.E).max(initial=0.0)
             for term in self.problem.cost.terms),
            default=0.0,
        )  # fmt: skip
        rows = np.concatenate([*self._rows, self._convex]).astype(np.int32)
        k = 2 * len(rows)
        self._highs.addCols(
            k, np.full(k, _PENALTY * weight), np.zeros(k), np.full(k, np.inf), k,
            np.arange(k, dtype=np.int32), np.repeat(rows, 2), np.tile([1.0, -1.0], len(rows)),
        )  # fmt: skip
        self._first = self.model.n + k

    def add(self, t: int, vertices: Sequence[int]) -> int:
        """Add vertices of step t as columns; returns how many were new."""
        new = [v for v in vertices if v not in self._known[t]]
        if not new:
            return 0
        self._known[t].update(new)
        stage, k = self.stages[t], len(new)
        rows = np.append(self._rows[t], self._convex[t])
        moved = stage.outputs[new][:, self._moved[t]]
        values = np.concatenate([-stage.points[new], -moved, np.ones((k, 1))], axis=1)
        starts = np.arange(0, values.size, len(rows), dtype=np.int32)
        self._highs.addCols(
            k, np.zeros(k), np.zeros(k), np.full(k, np.inf), values.size, starts,
            np.tile(rows, k).astype(np.int32), values.ravel(),
        )  # fmt: skip
        self._step = np.concatenate([self._step, np.full(k, t)])
        self._vertex = np.concatenate([self._vertex, new])
        self._open = np.concatenate([self._open, np.ones(k, dtype=bool)])
        return k

    def solve(
        self, branches: Sequence[Branch], stop: float, tolerance: float, rounds: int = 60
    ) -> Relaxed | None:
        """Solve one node.

        Args:
            branches: filters of the node.
            stop: a bound at which the node is of no interest any more.
            tolerance: relative difference between master and bound at which it counts as solved.
            rounds: largest number of column-generation rounds.

        Returns:
            None when a step has no vertex left.
        """
        masks = self._masks(branches)
        if not all(m.any() for m in masks):
            return None
        self._filter(masks)
        best, y, values = -np.inf, np.zeros(0), np.zeros(0)
        for _ in range(rounds):
            self._highs.run()
            self.programs += 1
            solution = self._highs.getSolution()
            y = np.asarray(solution.row_dual)
            values = np.asarray(solution.col_value)
            bound, entering = self._price(
                y, masks, self.model.c, self.model.offset, self.model.row_high
            )
            best = max(best, bound)
            value = self._highs.getInfo().objective_function_value
            new = sum(self.add(t, v) for t, v in entering)
            if new == 0 or best >= stop or value - best <= tolerance * (1e-6 + abs(value)):
                break
        return Relaxed(best, values, y, self)

    def tighten(
        self, limit: float, low: np.ndarray, high: np.ndarray, deadline: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the effective inputs of every plan that costs at most `limit`.

        Optimisation-based bound tightening with an objective cutoff; a few pricing rounds for
        each bound, every one of them proved by its duals.

        Args:
            limit: cost.
            low, high: known bounds of steps 1..H-1. Shape (H, dimension).
            deadline: `time.perf_counter()` value to stop at.
        """
        low, high, model, highs = low.copy(), high.copy(), self.model, self._highs
        masks = self._masks(())
        self._filter(masks)
        every = np.arange(model.n, dtype=np.int32)
        row, side = self._cost_row, limit - model.offset
        highs.changeRowBounds(row, -np.inf, side)
        row_high = model.row_high.copy()
        row_high[row] = side
        for t in range(len(self.stages) - 1, 0, -1):
            inputs = np.concatenate([self.x[t - 1], self.u[t]])
            for i, form in enumerate(self.stages[t].S):
                for sign, limits in ((1.0, low), (-1.0, high)):
                    if deadline is not None and time.perf_counter() > deadline:
                        break
                    c = np.zeros(model.n)
                    c[inputs] = sign * form
                    highs.changeColsCost(model.n, every, c)
                    value = sign * self._minimum(c, masks, row_high)
                    limits[t, i] = max(low[t, i], value) if sign > 0 else min(high[t, i], value)
        highs.changeColsCost(model.n, every, model.c)
        highs.changeRowBounds(row, -np.inf, _FAR)
        return low, high

    def _minimum(self, c: np.ndarray, masks: list[np.ndarray], row_high: np.ndarray) -> float:
        best = -np.inf
        for _ in range(_TIGHTEN_ROUNDS):
            self._highs.run()
            self.programs += 1
            y = np.asarray(self._highs.getSolution().row_dual)
            bound, entering = self._price(y, masks, c, 0.0, row_high)
            best = max(best, bound)
            if sum(self.add(t, v) for t, v in entering) == 0:
                break
        return best

    def _masks(self, branches: Sequence[Branch]) -> list[np.ndarray]:
        masks = [np.ones(len(s.points), dtype=bool) for s in self.stages]
        for t, neuron, on in branches:
            pre = self.stages[t].pre[:, neuron]
            masks[t] &= pre >= -_SIDE if on else pre <= _SIDE
        return masks

    def _filter(self, masks: list[np.ndarray]) -> None:
        """Close the columns that a node forbids, open the others."""
        open_now = np.ones(len(self._step), dtype=bool)
        for t, mask in enumerate(masks):
            here = self._step == t
            open_now[here] = mask[self._vertex[here]]
        changed = np.flatnonzero(open_now != self._open)
        if len(changed):
            upper = np.where(open_now[changed], np.inf, 0.0)
            self._highs.changeColsBounds(
                len(changed), (self._first + changed).astype(np.int32),
                np.zeros(len(changed)), upper,
            )  # fmt: skip
            self._open = open_now

    def _price(
        self,
        y: np.ndarray,
        masks: list[np.ndarray],
        c: np.ndarray,
        offset: float,
        row_high: np.ndarray,
    ) -> tuple[float, list[tuple[int, list[int]]]]:
        """Lagrangian bound of the row duals, and the vertices of negative reduced cost."""
        model = self.model
        fair = y.copy()
        fair[((y > 0) & np.isinf(model.row_low)) | ((y < 0) & np.isinf(row_high))] = 0.0
        fair[self._convex] = 0.0
        side = np.where(fair > 0, model.row_low, np.where(fair < 0, row_high, 0.0))
        reduced = c - self._transposed @ fair
        bound = fair @ side + reduced @ np.where(reduced > 0, model.low, model.high)
        entering = []
        for t, stage in enumerate(self.stages):
            duals, k = fair[self._rows[t]], len(stage.S)
            worth = stage.points @ duals[:k] + stage.outputs[:, self._moved[t]] @ duals[k:]
            worth = np.where(masks[t], worth, np.inf)
            bound += worth.min()
            best = np.argpartition(worth, min(_BATCH, len(worth) - 1))[:_BATCH]
            improving = best[worth[best] < y[self._convex[t]] - 1e-9]
            entering.append((t, improving.tolist()))
        bound += offset
        return float(bound - MARGIN * (1 + abs(bound))), entering
