"""Plans of few values per input, by dynamic programming over sampled states.

Forward, every state of a step is stepped with every action, and of the states that fall into one
cell the cheapest is kept (as in sparse kinodynamic planning, Li, Littlefield and Bekris 2016).
Backward, the transitions that were seen give every cell a cost-to-go. Forward again, the states
of least cost so far plus cost-to-go are kept (beam search). What comes out is a candidate: nothing
is proved by it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from sparsectl.mip.ocp import OCP
from sparsectl.mip.scale import random_plans
from sparsectl.mip.search.cells import Seen, cheapest, hashes
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints

MOST_ACTIONS = 64
"""Combinations of values that a step is tried with, at most."""
_VALUES = 3
"""Values of an entry that takes any."""
_WIDTH, _GROWTH = 300, 4
"""States of a step in the first pass, and how many times more there are in the next."""
_WIDTHS = 3
"""Passes without a deadline."""
_MOST, _SHARE = 76_800, 0.45
"""Of a pass with a deadline: states of a step at most, and the share of the time that each of its
two searches forward is to take."""
_FIRST, _LONGER, _BETTER = 0.1, 4.0, 1e-3
"""Where there is time for more than one pass: seconds of the first, how many times as long the next
takes, and the share of the cost that it has to save for another one to follow."""
_PENALTY = 1e3
"""Price of a unit of violation where hard constraints leave nothing else."""
_FEASIBLE = 1e-9


def values(problem: Problem) -> np.ndarray | None:
    """Actions that a step is tried with, shape (k, nu); None where there are too many."""
    sets, count = [], 1
    for i in range(problem.nu):
        if problem.inputs is not None:
            entry = np.unique(problem.inputs.pieces[i])
            if not problem.inputs.discrete[i] and len(entry) < _VALUES:
                entry = np.linspace(entry[0], entry[-1], _VALUES)
        else:
            entry = np.linspace(problem.u_low[i], problem.u_high[i], _VALUES)
        sets.append(entry)
        count *= len(entry)
        if count > MOST_ACTIONS:
            return None
    return np.array(list(product(*sets)))


def plans(
    ocp: OCP, *, deadline: float | None = None, widths: int | None = None, count: int = 8
) -> list[np.ndarray]:
    """Plans found with more and more states per step, each of shape (H, nu), the best ones first.

    Args:
        deadline: `time.perf_counter()` value to stop at, or None.
        widths: how many passes there are, each with more states than the last; None: as many as
            the deadline leaves time for while they find better plans, three without one.
        count: plans to return.
    """
    actions = values(ocp.problem)
    if actions is None or ocp.program.has_steps:
        return []
    search, found = _Search(ocp, actions), []
    if deadline is not None and widths is None:
        found = search.longer(deadline)
    else:
        for k in range(widths or _WIDTHS):
            found += search.run(_WIDTH * _GROWTH**k, deadline)
    if not found:
        return []
    unique = np.unique(np.stack(found), axis=0)
    costs = ocp.costs(unique)
    return [unique[i] for i in np.argsort(costs)[:count]]


@dataclass(frozen=True)
class _Layer:
    """States of one step.

    Attributes:
        x: Shape (n, nx).
        cost: so far. Shape (n,).
        parent: state of the step before. Shape (n,).
        action: that led here. Shape (n,).
    """

    x: np.ndarray
    cost: np.ndarray
    parent: np.ndarray
    action: np.ndarray


class _Pace:
    """Widths of a search forward that is to end in time.

    Args:
        began, until: `time.perf_counter()` values between which it is to take place.
        widths: what it may keep after every step, at most; made smaller in place.
    """

    def __init__(self, began: float, until: float, widths: list[int]) -> None:
        self.last, self.until, self.widths = began, until, widths
        self.fixed, self.spent, self.states = np.inf, 0.0, 0

    def after(self, t: int, count: int) -> None:
        """Say how many states step t began with: it is done but for the choice of those kept."""
        now, ahead = time.perf_counter(), len(self.widths) - 1 - t
        took, self.last = now - self.last, now
        self.fixed = min(self.fixed, took)
        self.spent, self.states = self.spent + took, self.states + count
        if ahead:
            each = max(self.spent - (t + 1) * self.fixed, 1e-9) / self.states
            fit = int(((self.until - now) / ahead - self.fixed) / each)
            self.widths[t] = min(self.widths[t], max(_WIDTH, fit))


class _Search:
    """Searches of one problem with several widths."""

    def __init__(self, ocp: OCP, actions: np.ndarray) -> None:
        self.ocp, self.problem, self.actions = ocp, ocp.problem, actions
        horizon = self.problem.horizon
        inputs = self.problem.inputs
        firsts = np.arange(horizon) if inputs is None else inputs.firsts(horizon)
        self.free = firsts == np.arange(horizon)
        self.steps = [_step(self.problem, t) for t in range(horizon)]
        self.unit: np.ndarray | None = None

    def run(self, width: int, deadline: float | None, paced: bool = False) -> list[np.ndarray]:
        """Plans of one width; paced: of what the deadline leaves time for, up to that width."""
        widths, pace = [width] * self.problem.horizon, None
        if paced and deadline is not None:
            now = time.perf_counter()
            pace = _Pace(now, now + _SHARE * (deadline - now), widths)
        layers, moves = self._forward(widths, None, deadline, pace)
        if layers is None:
            return []
        found = self._read(layers, 1)
        seen = self._backward(layers, moves)
        if deadline is not None and time.perf_counter() > deadline:
            return found
        again, _ = self._forward(widths, seen, deadline)
        return found + ([] if again is None else self._read(again, 4))

    def longer(self, deadline: float) -> list[np.ndarray]:
        """Plans of passes that take longer and longer while they find better ones."""
        found, best, span = list[np.ndarray](), np.inf, _FIRST
        while True:
            now = time.perf_counter()
            last = deadline - now < (1 + _LONGER) * span
            made = self.run(_MOST, deadline if last else now + span, paced=True)
            cost = float(self.ocp.costs(np.stack(made)).min()) if made else np.inf
            found += made
            if last or (np.isfinite(best) and best - cost <= _BETTER * abs(best)):
                return found
            best, span = min(best, cost), _LONGER * span

    def _forward(
        self,
        widths: list[int],
        seen: list[Seen] | None,
        deadline: float | None,
        pace: _Pace | None = None,
    ) -> tuple[list[_Layer] | None, list[tuple]]:
        """Layers of all steps, and the transitions between them (state, cost, next state)."""
        x0 = self.problem.x0[None]
        layers = [_Layer(x0, np.zeros(1), np.zeros(1, int), np.zeros(1, int))]
        moves, factor = [], 1.0
        for t in range(self.problem.horizon):
            if deadline is not None and time.perf_counter() > deadline:
                return None, []
            made, parent, action, cost = self._expand(layers[-1], t)
            if not len(made):
                return None, []
            total = layers[-1].cost[parent] + cost
            unit = self._cells(made)
            if pace is not None:
                pace.after(t, len(layers[-1].x))
            width = widths[t]
            if seen is None:
                kept, factor, codes = cheapest(made, total, unit, width, factor)
            else:
                rank = total + seen[t].look_up(made)
                kept = np.argsort(rank, kind="stable")[: 4 * width]
                kept = kept[np.isfinite(rank[kept])]
                if not len(kept):
                    return None, []
                own = hashes(made[kept], seen[t].unit / 4)
                _, first = np.unique(own, return_index=True)
                kept, codes = kept[np.sort(first)[:width]], None
            moves.append((made, parent, cost, codes, factor * unit))
            layers.append(_Layer(made[kept], total[kept], parent[kept], action[kept]))
        return layers, moves

    def _cells(self, x: np.ndarray) -> np.ndarray:
        """Size of a cell before it is stretched: between what a step changes and what a plan does.

        Shape (nx,).
        """
        if self.unit is None:
            step, plan = np.ptp(x, axis=0), np.ptp(self._spread(), axis=0)
            size = (step**0.25 * plan**0.75) / 64
            self.unit = np.where(size > 0, size, np.inf)
        return self.unit

    def _spread(self) -> np.ndarray:
        """States of some random plans. Shape (n, nx)."""
        states = self.ocp.rollout(random_plans(self.problem))
        return states[np.isfinite(states).all(axis=-1)]

    def _expand(
        self, layer: _Layer, t: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All next states of a layer that keep the constraints, with their costs."""
        n, k = len(layer.x), len(self.actions)
        if self.free[t]:
            parent, action = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
            if self.problem.inputs is not None and self.problem.inputs.limited:
                ok = self._within_rate(layer, parent, action, t)
                parent, action = parent[ok], action[ok]
        else:
            parent, action = np.arange(n), layer.action
        x, u = layer.x[parent], self.actions[action]
        after = self.ocp.program(np.concatenate([x, u], axis=1))
        step, pair = self.steps[t], np.stack([x, after], axis=1)
        cost = np.asarray(step.cost(pair, u[:, None]), dtype=np.float64)
        if not step.constraints.empty:
            violation = step.constraints.violation(pair)
            good = violation <= _FEASIBLE
            price = self.ocp.penalty
            if price is None and good.any():
                after, parent, action, cost = after[good], parent[good], action[good], cost[good]
            else:
                cost = cost + (price or _PENALTY) * violation
        finite = np.isfinite(cost) & np.isfinite(after).all(axis=1)
        return after[finite], parent[finite], action[finite], cost[finite]

    def _within_rate(
        self, layer: _Layer, parent: np.ndarray, action: np.ndarray, t: int
    ) -> np.ndarray:
        inputs = self.problem.inputs
        assert inputs is not None
        if t == 0:
            if inputs.last is None:
                return np.ones(len(parent), dtype=bool)
            before = inputs.last[None]
        else:
            before = self.actions[layer.action[parent]]
        return (abs(self.actions[action] - before) <= inputs.rate * (1 + 1e-9)).all(axis=1)

    def _backward(self, layers: list[_Layer], moves: list[tuple]) -> list[Seen]:
        """Cells of steps 1..H with their costs-to-go."""
        seen: list[Seen] = []
        value = np.zeros(0)
        for t in range(self.problem.horizon - 1, -1, -1):
            _, _, _, codes, unit = moves[t]
            cells, where = np.unique(codes, return_inverse=True)
            if t == self.problem.horizon - 1:
                to_go = np.zeros(len(cells))
            else:
                # What states of this step's layer cost to go, by the moves of the next step.
                own = np.full(len(layers[t + 1].x), np.inf)
                np.minimum.at(own, moves[t + 1][1], moves[t + 1][2] + value)
                to_go = np.full(len(cells), np.inf)
                at = np.searchsorted(cells, hashes(layers[t + 1].x, unit))
                np.minimum.at(to_go, at, own)
            value = to_go[where]
            seen.append(Seen(unit, cells, to_go))
        return seen[::-1]

    def _read(self, layers: list[_Layer], count: int) -> list[np.ndarray]:
        """The cheapest plans of the last layer."""
        found = []
        for end in np.argsort(layers[-1].cost)[:count]:
            index, plan = int(end), []
            for layer in layers[:0:-1]:
                plan.append(self.actions[layer.action[index]])
                index = int(layer.parent[index])
            found.append(np.array(plan[::-1]))
        return found


def _step(problem: Problem, t: int) -> Problem:
    """The problem of step t alone: its share of the cost, and its constraints."""
    horizon, cost = problem.horizon, problem.cost
    terms = []
    for term in cost.terms:
        weight = float(term.weights(horizon)[t])
        target = term.targets(horizon)[t]
        terms.append(replace(term, target=target, weight=weight, terminal_weight=weight))

    def at(constraints: Constraints) -> Constraints:
        regions = tuple(
            replace(r, b=np.array(r.sides(horizon)[t : t + 2])) for r in constraints.keep_out
        )
        return replace(constraints, h=constraints.sides(horizon)[t], keep_out=regions)

    priced = None if cost.priced is None else at(cost.priced)
    value = cost.value if t == horizon - 1 else None
    own = replace(cost, terms=tuple(terms), priced=priced, value=value)
    return replace(problem, cost=own, constraints=at(problem.constraints), horizon=1, inputs=None)
