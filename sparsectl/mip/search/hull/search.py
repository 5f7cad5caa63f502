"""Branch and bound over the hull relaxation: best first, branching on neurons."""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import dataclass, replace

import numpy as np

from sparsectl.mip.encode import start_box
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.contract import WEAK_DUALITY, Outcome
from sparsectl.mip.search.hull.listing import list_stages
from sparsectl.mip.search.hull.master import Master
from sparsectl.mip.search.hull.node import Node
from sparsectl.mip.search.hull.stage import Stage, effective_inputs
from sparsectl.mip.search.hull.tighten import tighten
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.solution import Limits
from sparsectl.program.bounds import HorizonBounds, form_bounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem

DIMENSIONS = 5
"""Effective inputs up to which vertices can be listed."""
MODES = 6_000
"""Modes per step up to which the hull is worth it."""

_TIGHTENINGS = 4
_LOOK_AHEAD, _ROUNDS = 10, 2
"""Neurons tried before branching, three times as many where none of these lifts the bound on
both sides, and linear programs for each side."""
_DECISIVE = 0.3
"""Share of what is missing that a branching must gain to come before another tightening."""
_WORTHWHILE = 0.95
"""Mean shrinkage above which another tightening does not pay."""


def directions(program: ReluProgram) -> int:
    """How many directions of [x; u] the neurons of a program see."""
    return len(effective_inputs(program))


def refusal(problem: Problem) -> str | None:
    """Why this engine cannot plan such problems, whatever the program is, or None."""
    if problem.constraints.keep_out:
        return "keep-out regions need binaries of their own"
    priced = problem.cost.priced
    own = problem.inputs is not None or problem.cost.value is not None
    if own or (priced is not None and priced.keep_out):
        return problem.hybrid
    quadratic = problem.cost.action_weight > 0 and problem.cost.action_norm == "l2sq"
    if quadratic or any(term.norm == "l2sq" for term in problem.cost.terms):
        return "the cost is quadratic"
    return None


def unsupported(ocp: OCP) -> str | None:
    """Why this engine cannot plan here, or None."""
    program = ocp.program
    if ocp.soft:
        return "constraints are soft"
    if program.m == 0:
        return "the program is affine"
    if program.has_steps:
        return "it has step (sign) neurons"
    dimensions = directions(program)
    if dimensions > DIMENSIONS:
        return f"its neurons see {dimensions} directions, more than {DIMENSIONS}"
    return refusal(ocp.problem)


@dataclass(frozen=True)
class _Split:
    """A neuron at a step, the bounds of its sides (on, off) and the smaller gain."""

    step: int
    neuron: int
    bounds: tuple[float, float]
    gain: float


class HullSearch:
    """One search. `run` gives what it proved; `bound` and `closed` are kept.

    Args:
        pool: what is planned; its best plan is put into the first relaxation.
        deadline: `time.perf_counter()` value to list modes by, or None.

    Raises:
        TooManyModes: a step has more than `MODES` modes, or out of time.
    """

    def __init__(self, pool: Pool, bounds: HorizonBounds, deadline: float | None = None) -> None:
        program, problem = pool.ocp.program, pool.ocp.problem
        self._pool, self._problem, self._bounds = pool, problem, bounds
        began = time.perf_counter()
        box = start_box(problem)
        low, high = form_bounds(program, box, bounds, effective_inputs(program))
        stages = list_stages(program, problem.x0, bounds, low, high, cap=MODES, deadline=deadline)
        # Cutting the modes to smaller boxes takes about as long as listing them.
        self._listing = time.perf_counter() - began
        self.modes = [s.modes for s in stages]
        known = [] if pool.actions is None else [pool.actions]
        self._root = Node(tuple(stages), tuple(_seeds(program, problem, stages, known)))
        self._ceiling = pool.ocp.cost_ceiling(bounds)
        self.bound, self.nodes, self.closed, self.programs = -np.inf, 0, False, 0
        self._limit, self._settled = np.inf, np.inf
        self._limits, self._deadline = Limits(), deadline
        self.trace: list[tuple[float, float, float]] = []

    def run(self, limits: Limits, deadline: float | None) -> Outcome:
        """Search until the gap is closed, the deadline, or the node limit.

        Best first. A node is relaxed; then, while it pays, boxes of the effective inputs are
        tightened to the plans that are better than the best known by the gap, and the modes are
        cut to them; then it is split at a neuron.

        Args:
            deadline: `time.perf_counter()` value, or None.
        """
        self._limits, self._deadline = limits, deadline
        order = itertools.count()
        queue = [(-np.inf, next(order), self._root)]
        while queue:
            self._raise_bound(queue[0][0])
            full = limits.nodes is not None and self.nodes >= limits.nodes
            if limits.closed(self._cost, self.bound) or full or self._late():
                break
            _, _, node = heapq.heappop(queue)
            for child in self._expand(node, queue[0][0] if queue else np.inf):
                heapq.heappush(queue, (child.bound, next(order), child))
        else:
            self._raise_bound(np.inf)
        self.closed = limits.closed(self._cost, self.bound)
        message = f"hull of {max(self.modes)} modes a step, {self.programs} linear programs"
        return Outcome(self.bound, WEAK_DUALITY, self.nodes, tuple(self.trace), message)

    @property
    def _cost(self) -> float:
        return self._pool.cost

    def _cutoff(self) -> float:
        """Plans above this cost are of no interest; no plan costs more than the ceiling."""
        return min(self._limits.cutoff(self._cost), self._ceiling)

    def _settle(self, bound: float) -> None:
        """A region is closed with this bound; at the ceiling there is no plan in it."""
        if bound < self._ceiling:
            self._settled = min(self._settled, bound)

    def _late(self, reserve: float = 0.0) -> bool:
        return self._deadline is not None and time.perf_counter() + reserve > self._deadline

    def _expand(self, node: Node, others: float) -> list[Node]:
        """Children of a node, none when it is settled. `others`: least bound of the rest."""
        self.nodes += 1
        for attempt in range(_TIGHTENINGS + 1):
            master = Master(self._problem, self._bounds, node.seeded(), self._deadline)
            for t, stage in enumerate(node.stages):
                master.add(t, range(len(stage.points), len(master.stages[t].points)))
            stop = self._cutoff()
            relative = 0.1 * max(self._limits.gap, 1e-7)
            relaxed = master.solve(stop, relative, 0.1 * self._limits.absolute_gap)
            self.programs += master.programs
            if relaxed is None or relaxed.bound == np.inf:
                return []
            node = replace(node, bound=max(node.bound, relaxed.bound), seeds=relaxed.support())
            self._raise_bound(min(node.bound, others))
            if self._late():
                return [node]
            self._pool.polish(relaxed.actions)
            stop = self._cutoff()
            candidates = [] if node.bound >= stop else relaxed.candidates()
            if not candidates:
                self._settle(node.bound)
                return []
            split = self._look_ahead(node.bound, master, candidates)
            aimless = not np.isfinite(self._cost)
            last = attempt == _TIGHTENINGS or aimless or self._late(self._listing)
            if last or split.gain >= _DECISIVE * (stop - node.bound):
                break
            tightened, share = self._tighten(node, master, stop)
            if tightened is None:
                return []
            node = tightened
            if share > _WORTHWHILE:
                break
        return self._children(node, split)

    def _look_ahead(
        self, bound: float, master: Master, candidates: list[tuple[int, int]]
    ) -> _Split:
        """The neuron to branch on: the one that lifts the bounds of both sides most."""
        best, chosen = -np.inf, _Split(*candidates[0], (bound, bound), 0.0)
        stop, spent = self._cutoff(), master.programs
        for tried, (t, neuron) in enumerate(candidates[: 3 * _LOOK_AHEAD]):
            if tried >= _LOOK_AHEAD and chosen.gain > 0:
                break
            on, off = (max(bound, master.side(t, neuron, s, _ROUNDS, stop)) for s in (True, False))
            least, most = (f(min(on, stop), min(off, stop)) - bound for f in (min, max))
            if least + 0.1 * most > best:
                best, chosen = least + 0.1 * most, _Split(t, neuron, (on, off), least)
            if least >= stop - bound or self._late():
                break
        self.programs += master.programs - spent
        return chosen

    def _children(self, node: Node, split: _Split) -> list[Node]:
        stop = self._cutoff()
        for bound in split.bounds:
            if bound >= stop:
                self._settle(bound)
        children = node.children(split.step, split.neuron, split.bounds)
        return [child for child in children if child.bound < stop]

    def _tighten(self, node: Node, master: Master, limit: float) -> tuple[Node | None, float]:
        """The node without what costs more than the limit, and its mean shrinkage."""
        self._limit = min(self._limit, limit)
        low, high = node.box()
        if not low.size:
            return node, 1.0
        before, spent = high - low, master.programs
        low, high = tighten(master, limit, low, high, self._deadline)
        self.programs += master.programs - spent
        if (low > high).any():
            return None, 0.0
        if self._late(self._listing):
            return node, 1.0
        return node.clipped(low, high), float(((high - low) / np.maximum(before, 1e-12)).mean())

    def _raise_bound(self, open_bound: float) -> None:
        """Plans outside the tightened boxes cost more than the limit, and none less than cost."""
        bound = min(open_bound, self._settled, self._limit, self._cost)
        if bound > self.bound:
            self.bound = bound
            self.trace.append((time.perf_counter() - self._pool.started, self._cost, bound))


def _seeds(
    program: ReluProgram, problem: Problem, stages: list[Stage], plans: list[np.ndarray]
) -> list[np.ndarray]:
    """Effective inputs along known plans, one array (plans, dimension) a step."""
    if not plans:
        return [np.zeros((0, len(stage.S))) for stage in stages]
    rollouts, actions = np.stack([program.rollout(problem.x0, a) for a in plans]), np.stack(plans)
    seeds = []
    for t, stage in enumerate(stages):
        inputs = actions[:, t]
        if t > 0:
            inputs = np.concatenate([rollouts[:, t], inputs], axis=1)
        seeds.append(inputs @ stage.S.T)
    return seeds
