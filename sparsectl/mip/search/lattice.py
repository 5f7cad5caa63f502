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
from typing import NamedTuple

import numpy as np

from sparsectl.mip.ocp import OCP
from sparsectl.mip.scale import random_plans
from sparsectl.mip.search.cells import Seen, cheapest, hashes
from sparsectl.mip.search.past import MOST_STATES, Points
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost

MOST_ACTIONS = 64
"""Combinations of values that a step is tried with, at most."""
_VALUES = 3
"""Values of an entry that takes any."""
_WIDTH, _GROWTH = 300, 4
"""States of a step in the first pass, and how many times more there are in the next."""
_SPEED = 0.8
"""Share of the time that is left which the guided search is given states for."""
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


class Found(NamedTuple):
    """What a search found.

    Attributes:
        plans: each of shape (H, nu), the best ones first.
        points: states of steps 1..H that were looked at, and what they cost to go.
    """

    plans: list[np.ndarray]
    points: list[Points]


def plans(
    ocp: OCP,
    *,
    deadline: float | None = None,
    widths: int = 3,
    count: int = 8,
    points: list[Points] | None = None,
) -> Found:
    """Plans found with more and more states per step.

    Args:
        ocp: what is planned.
        deadline: `time.perf_counter()` value to stop at, or None.
        widths: how many passes there are at most, each with more states than the last.
        count: plans to return.
        points: of steps 1..H that an earlier decision looked at.
    """
    actions = values(ocp.problem)
    if actions is None or ocp.program.has_steps:
        return Found([], [])
    search, found = _Search(ocp, actions, points), []
    width, spent = _WIDTH, 0.0
    for _ in range(widths):
        began = time.perf_counter()
        if deadline is not None and began + _GROWTH * spent > deadline:
            break
        found += search.run(width, deadline)
        spent = time.perf_counter() - began
        width *= _GROWTH
    if not found:
        return Found([], search.points)
    unique = np.unique(np.stack(found), axis=0)
    costs = ocp.costs(unique)
    return Found([unique[i] for i in np.argsort(costs)[:count]], search.points)


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


class _Move(NamedTuple):
    """Transitions of one step.

    Attributes:
        made: next states. Shape (n, nx).
        parent: state of the layer before. Shape (n,).
        cost: Shape (n,).
        codes: cells of the next states, or None. Shape (n,).
        unit: size of a cell. Shape (nx,).
    """

    made: np.ndarray
    parent: np.ndarray
    cost: np.ndarray
    codes: np.ndarray | None
    unit: np.ndarray

    def least(self, n: int, value: np.ndarray) -> np.ndarray:
        """Cost-to-go of the n states before, by that of the states after. Shape (n,)."""
        own = np.full(n, np.inf)
        np.minimum.at(own, self.parent, self.cost + value)
        return own


@dataclass(frozen=True)
class _Guide:
    """Cost-to-go of the states of one step: by fine cells where they are known, or else rough ones.

    Attributes:
        rough: of this decision.
        fine: of all decisions.
    """

    rough: Seen
    fine: Seen

    def to_go(self, x: np.ndarray) -> np.ndarray:
        """Shape (n,), of states of shape (n, nx); inf where there is no way on."""
        return self.fine.look_up(x, self.rough.look_up(x, np.full(len(x), np.inf)))


class _Search:
    """Searches of one problem with several widths.

    Attributes:
        points: of steps 1..H: states that were looked at, and what they cost to go.
    """

    def __init__(self, ocp: OCP, actions: np.ndarray, points: list[Points] | None = None) -> None:
        self.ocp, self.problem, self.actions = ocp, ocp.problem, actions
        horizon = self.problem.horizon
        inputs = self.problem.inputs
        firsts = np.arange(horizon) if inputs is None else inputs.firsts(horizon)
        self.free = firsts == np.arange(horizon)
        self.steps = [_step(self.problem, t) for t in range(horizon)]
        self.unit: np.ndarray | None = None
        nothing = Points(np.zeros((0, self.problem.nx)), np.zeros(0))
        self.points = [nothing] * horizon if points is None else list(points)

    def run(self, width: int, deadline: float | None) -> list[np.ndarray]:
        """Plans of one width."""
        began = time.perf_counter()
        layers, moves = self._forward(width, None, deadline)
        if layers is None:
            return []
        found = self._read(layers, 1)
        guide = [
            _Guide(seen, Seen.of(points.x, points.to_go, seen.unit / 2))
            for seen, points in zip(self._backward(layers, moves), self.points, strict=True)
        ]
        if deadline is not None:
            now = time.perf_counter()
            if now > deadline:
                return found
            width = int(width * np.clip(_SPEED * (deadline - now) / (now - began), 1, _GROWTH))
        again, moves = self._forward(width, guide, deadline)
        if again is None:
            return found
        self._remember(again, moves, guide)
        return found + self._read(again, 4)

    def _forward(
        self, width: int, guide: list[_Guide] | None, deadline: float | None
    ) -> tuple[list[_Layer] | None, list[_Move]]:
        """Layers of all steps, and the transitions between them."""
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
            if guide is None:
                kept, factor, codes = cheapest(made, total, unit, width, factor)
            else:
                rank = total + guide[t].to_go(made)
                kept = _least(rank, 4 * width)
                if not len(kept):
                    return None, []
                own = hashes(made[kept], guide[t].rough.unit / 4)
                _, first = np.unique(own, return_index=True)
                kept, codes = kept[np.sort(first)[:width]], None
            moves.append(_Move(made, parent, cost, codes, factor * unit))
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
        step, price = self.steps[t], self.ocp.penalty
        violation = np.zeros(len(after))
        if not step.constraints.empty:
            good = np.zeros(0, int)
            if price is None:
                good = self._admissible(step.constraints, x, after)
            if len(good):
                parent, action = parent[good], action[good]
                after, violation = after[good], violation[good]
            else:
                price = price or _PENALTY
                violation = step.constraints.violation(np.stack([x, after], axis=1))
        pair = np.stack([layer.x[parent], after], axis=1)
        cost = np.asarray(step.cost(pair, self.actions[action][:, None]), dtype=np.float64)
        cost = cost + (price or 0.0) * violation
        if self.ocp.detour is not None and t == self.problem.horizon - 1:
            cost = cost + self.ocp.detour(after)
        finite = np.isfinite(cost) & np.isfinite(after).all(axis=1)
        if finite.all():
            return after, parent, action, cost
        return after[finite], parent[finite], action[finite], cost[finite]

    def _admissible(self, constraints: Constraints, x: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Indices of the steps that keep the constraints: regions are dear, so rows come first."""
        above = constraints.G @ after.T > constraints.sides(1).T + _FEASIBLE
        inside = np.flatnonzero(~above.any(axis=0))
        violation = constraints.violation(np.stack([x[inside], after[inside]], axis=1))
        return inside[violation <= _FEASIBLE]

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

    def _backward(self, layers: list[_Layer], moves: list[_Move]) -> list[Seen]:
        """Cells of steps 1..H with their costs-to-go."""
        seen: list[Seen] = []
        value = np.zeros(0)
        for t in range(self.problem.horizon - 1, -1, -1):
            codes, unit = moves[t].codes, moves[t].unit
            assert codes is not None
            cells, where = np.unique(codes, return_inverse=True)
            if t == self.problem.horizon - 1:
                to_go = np.zeros(len(cells))
            else:
                own = moves[t + 1].least(len(layers[t + 1].x), value)
                to_go = np.full(len(cells), np.inf)
                at = np.searchsorted(cells, hashes(layers[t + 1].x, unit))
                np.minimum.at(to_go, at, own)
            value = to_go[where]
            seen.append(Seen(unit, cells, to_go))
        return seen[::-1]

    def _remember(self, layers: list[_Layer], moves: list[_Move], guide: list[_Guide]) -> None:
        """What the states of the layers cost to go, from the last step on, before older points."""
        for t in range(self.problem.horizon - 2, -1, -1):
            x, known = layers[t + 1].x, self.points[t + 1]
            ahead = replace(
                guide[t + 1], fine=Seen.of(known.x, known.to_go, guide[t + 1].fine.unit)
            )
            last = t == self.problem.horizon - 2
            made = moves[t + 1].made
            own = moves[t + 1].least(len(x), np.zeros(len(made)) if last else ahead.to_go(made))
            order = np.argsort(own, kind="stable")
            x = np.concatenate([x[order], self.points[t].x])
            own = np.concatenate([own[order], self.points[t].to_go])
            _, first = np.unique(hashes(x, guide[t].fine.unit), return_index=True)
            first = np.sort(first)[:MOST_STATES]
            self.points[t] = Points(x[first], own[first])

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
    own = Cost(tuple(terms), cost.action_norm, cost.action_weight, cost.action_map, priced)
    return replace(problem, cost=own, constraints=at(problem.constraints), horizon=1, inputs=None)


def _least(rank: np.ndarray, count: int) -> np.ndarray:
    """Indices of the smallest finite numbers, in order."""
    finite = np.flatnonzero(np.isfinite(rank))
    if len(finite) > count:
        finite = finite[np.argpartition(rank[finite], count - 1)[:count]]
    return finite[np.argsort(rank[finite], kind="stable")]
