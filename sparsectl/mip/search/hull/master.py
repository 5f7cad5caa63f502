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

from sparsectl.mip import dual_bound
from sparsectl.mip.backends import highs_model
from sparsectl.mip.model import Builder
from sparsectl.mip.objective import add_constraints, add_cost
from sparsectl.mip.search.hull.relaxed import Relaxed
from sparsectl.mip.search.hull.stage import Stage
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem

_BATCH = 10
_PENALTY = 200.0
_FAR = 1e9
_SIDE = 1e-9
_ROUNDS = 60
_IN_USE = 1e-9
"""Sum of artificial columns from which on a program may have no solution without them."""


class Master:
    """Column-generation master program over one set of stages.

    After the deadline, a `time.perf_counter()` value, no further program is solved for a bound.
    """

    def __init__(
        self,
        problem: Problem,
        bounds: HorizonBounds,
        stages: Sequence[Stage],
        deadline: float | None = None,
    ) -> None:
        self.problem, self.stages, self._deadline = problem, list(stages), deadline
        horizon, nx, nu = problem.horizon, problem.nx, problem.nu
        builder = Builder()
        self.u = builder.variables(
            bounds.u_low.ravel(), bounds.u_high.ravel(), horizon * nu
        ).reshape(horizon, nu)
        self.x = builder.variables(
            bounds.x_low[1:].ravel(), bounds.x_high[1:].ravel(), horizon * nx
        ).reshape(horizon, nx)
        self.rows: list[np.ndarray] = []
        self.moved: list[np.ndarray] = []
        for t, stage in enumerate(stages):
            inputs = self.inputs(t)
            moved = np.flatnonzero(abs(stage.Q).sum(axis=1) > 0)
            start, k = builder.rows, len(stage.S)
            builder.add([(inputs, stage.S)], 0.0, 0.0)
            builder.add([(self.x[t], np.ones(nx)), (inputs, -stage.D)], stage.d, stage.d)
            self.rows.append(np.concatenate([start + np.arange(k), start + k + moved]))
            self.moved.append(moved)
        add_cost(builder, problem, bounds, self.x, self.u)
        self.infeasible = add_constraints(builder, problem.constraints, bounds, self.x, None)
        # The cost as a row, without effect until there is a limit on it.
        self._cost_row = builder.rows
        costly, weights = builder.linear_cost()
        builder.add([(costly, weights[None])], -np.inf, _FAR)
        self._convex = builder.rows + np.arange(horizon)
        for _ in range(horizon):
            builder.add([(self.u[0][:1], np.zeros((1, 1)))], 1.0, 1.0)
        self.model = builder.freeze(self.u, self.x, np.zeros((0, 5), int), self.infeasible)
        self._transposed = self.model.A.T.tocsr()
        self._c, self._offset = self.model.c, self.model.offset
        self._row_high = self.model.row_high.copy()
        self._highs = highs_model.load(self.model, relax=True)
        self._highs.setOptionValue("presolve", "off")
        # New columns and other objectives leave the basis primal feasible.
        self._highs.setOptionValue("simplex_strategy", 4)
        self._add_artificials()
        self._step = np.zeros(0, dtype=int)
        self._vertex = np.zeros(0, dtype=int)
        self._known: list[set[int]] = [set() for _ in stages]
        self._allowed: tuple[int, np.ndarray] | None = None
        self.programs = 0

    def inputs(self, t: int) -> np.ndarray:
        """Variables that step t starts from: its state, unless that is given, and action."""
        return self.u[0] if t == 0 else np.concatenate([self.x[t - 1], self.u[t]])

    def columns(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Step and vertex of the first columns."""
        return self._step[:count], self._vertex[:count]

    def _add_artificials(self) -> None:
        """Penalised slack on every row that columns feed, so that the program is feasible."""
        cost, horizon = self.problem.cost, self.problem.horizon
        steep = [t.weights(horizon).max() * abs(t.E).max(initial=0.0) for t in cost.terms]
        if cost.priced is not None:
            steep.append((cost.priced.prices[:, None] * abs(cost.priced.G)).max(initial=0.0))
        weight = 1.0 + max(steep, default=0.0)
        rows = np.concatenate([*self.rows, self._convex]).astype(np.int32)
        k = 2 * len(rows)
        self._highs.addCols(
            k, np.full(k, _PENALTY * weight), np.zeros(k), np.full(k, np.inf), k,
            np.arange(k, dtype=np.int32), np.repeat(rows, 2), np.tile([1.0, -1.0], len(rows)),
        )  # fmt: skip
        self.first = self.model.n + k

    def add(self, t: int, vertices: Sequence[int] | range) -> int:
        """Add vertices of step t as columns; returns how many were new."""
        new = [v for v in vertices if v not in self._known[t]]
        if not new:
            return 0
        self._known[t].update(new)
        stage, k = self.stages[t], len(new)
        rows = np.append(self.rows[t], self._convex[t])
        moved = stage.outputs[new][:, self.moved[t]]
        values = np.concatenate([-stage.points[new], -moved, np.ones((k, 1))], axis=1)
        starts = np.arange(0, values.size, len(rows), dtype=np.int32)
        self._highs.addCols(
            k, np.zeros(k), np.zeros(k), np.full(k, np.inf), values.size, starts,
            np.tile(rows, k).astype(np.int32), values.ravel(),
        )  # fmt: skip
        self._step = np.concatenate([self._step, np.full(k, t)])
        self._vertex = np.concatenate([self._vertex, new])
        return k

    def solve(self, stop: float, relative: float, absolute: float = 0.0) -> Relaxed | None:
        """Solve the relaxation.

        Args:
            stop: a bound at which it is of no interest any more.
            relative, absolute: difference between master and bound at which it counts as solved,
                relative to its value, or as it is.

        Returns:
            None when a step has no vertex.
        """
        if not all(len(s.points) for s in self.stages):
            return None
        best, y, values = -np.inf, np.zeros(0), np.zeros(0)
        for _ in range(_ROUNDS):
            values, y, value, bound, new = self._round()
            best = max(best, bound)
            close = value - best <= max(relative * (1e-6 + abs(value)), absolute)
            if new == 0 or best >= stop or close or self._late():
                break
        if values[self.model.n : self.first].sum() > _IN_USE and self._has_no_plan():
            best = np.inf
        return Relaxed(best, values, y, self)

    def _has_no_plan(self) -> bool:
        """Proves that no plan is left: with no cost at all, weak duality still gives more than 0.

        Artificial columns keep their price, so the program's value is what plans lack.
        """
        self.set_objective(np.zeros(self.model.n))
        bound, _ = self.lower_bound(_ROUNDS, 0.0, stop=0.0)
        self.set_objective(None)
        return bound > 0.0

    def side(self, t: int, neuron: int, on: bool, rounds: int, stop: float) -> float:
        """Proved bound of the part where a neuron at step t is on, or off: a look ahead."""
        pre = self.stages[t].pre[:, neuron]
        mask = pre >= -_SIDE if on else pre <= _SIDE
        if not mask.any():
            return np.inf
        here = np.flatnonzero(self._step == t)
        closed = here[~mask[self._vertex[here]]]
        columns, zero = (self.first + closed).astype(np.int32), np.zeros(len(closed))
        self._highs.changeColsBounds(len(closed), columns, zero, zero)
        self._highs.setOptionValue("simplex_strategy", 1)
        self._allowed, best = (t, mask), -np.inf
        for _ in range(rounds):
            _, _, _, bound, new = self._round()
            best = max(best, bound)
            if new == 0 or best >= stop or self._late():
                break
            self._highs.setOptionValue("simplex_strategy", 4)
        self._allowed = None
        self._highs.changeColsBounds(len(closed), columns, zero, np.full(len(closed), np.inf))
        self._highs.setOptionValue("simplex_strategy", 4)
        return best

    def limit_cost(self, cost: float) -> None:
        """Only plans that cost at most this; infinity: all."""
        side = cost - self.model.offset if np.isfinite(cost) else _FAR
        self._row_high[self._cost_row] = side
        self._highs.changeRowBounds(self._cost_row, -np.inf, side)

    def set_objective(self, c: np.ndarray | None) -> None:
        """Minimise another linear form of the variables, shape (n,); None: the cost."""
        every = np.arange(self.model.n, dtype=np.int32)
        self._c = self.model.c if c is None else c
        self._offset = self.model.offset if c is None else 0.0
        self._highs.changeColsCost(self.model.n, every, self._c)

    def lower_bound(
        self, rounds: int, accuracy: float, stop: float = np.inf
    ) -> tuple[float, np.ndarray]:
        """Proved bound of the present objective, and the variables of the last program.

        Stops after that many programs, when the bound is as near to the program's value, or when
        it is above `stop`.
        """
        best, values = -np.inf, np.zeros(0)
        for _ in range(rounds):
            values, _, value, bound, new = self._round()
            best = max(best, bound)
            if new == 0 or value - best <= accuracy or best > stop or self._late():
                break
        return best, values[: self.model.n]

    def _late(self) -> bool:
        return self._deadline is not None and time.perf_counter() > self._deadline

    def _round(self) -> tuple[np.ndarray, np.ndarray, float, float, int]:
        """One linear program and its pricing: (variables, duals, value, bound, new columns)."""
        self._highs.run()
        self.programs += 1
        solution = self._highs.getSolution()
        y, values = np.asarray(solution.row_dual), np.asarray(solution.col_value)
        value = self._highs.getInfo().objective_function_value
        bound, entering = self._price(y)
        return values, y, value, bound, sum(self.add(t, v) for t, v in entering)

    def _price(self, y: np.ndarray) -> tuple[float, list[tuple[int, list[int]]]]:
        """Lagrangian bound of the row duals, and the vertices of negative reduced cost."""
        model, row_high = self.model, self._row_high
        fair = dual_bound.fair(y, model.row_low, row_high)
        fair[self._convex] = 0.0
        bound = dual_bound.parts(
            fair, self._c, self._transposed, model.row_low, row_high, model.low, model.high
        )
        entering = []
        for t, stage in enumerate(self.stages):
            duals, k = fair[self.rows[t]], len(stage.S)
            worth = stage.points @ duals[:k] + stage.outputs[:, self.moved[t]] @ duals[k:]
            if self._allowed is not None and self._allowed[0] == t:
                worth = np.where(self._allowed[1], worth, np.inf)
            bound += worth.min()
            best = np.argpartition(worth, min(_BATCH, len(worth) - 1))[:_BATCH]
            improving = best[worth[best] < y[self._convex[t]] - 1e-9]
            entering.append((t, improving.tolist()))
        return dual_bound.rounded_down(float(bound + self._offset)), entering
