"""Branch and bound over the hull relaxation: best first, branching on neurons."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable

import numpy as np

from sparsectl.mip.hull.cells import TooManyModes
from sparsectl.mip.hull.master import Branch, Master
from sparsectl.mip.hull.stage import build_stages, effective_inputs
from sparsectl.mip.solution import Limits
from sparsectl.program.bounds import Box, HorizonBounds, form_bounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem

DIMENSIONS = 5
"""Effective inputs up to which vertices can be listed."""
MODES = 6_000
"""Modes per step up to which the hull is worth it."""

_TIGHTENINGS = 4
_WORTHWHILE = 0.95
"""Mean shrinkage above which another tightening does not pay."""
_LEAST_SECONDS = 0.1

Offer = Callable[[np.ndarray], float]
"""Takes actions (H, nu), polishes them, returns the best cost known afterwards."""


def unsupported(program: ReluProgram, problem: Problem) -> str | None:
    """Why this engine cannot plan with a program, or None."""
    if program.m == 0:
        return "the program is affine"
    dimensions = len(effective_inputs(program))
    if dimensions > DIMENSIONS:
        return f"its neurons see {dimensions} directions, more than {DIMENSIONS}"
    if problem.constraints.keep_out:
        return "keep-out regions need binaries of their own"
    quadratic = problem.cost.action_weight > 0 and problem.cost.action_norm == "l2sq"
    if quadratic or any(term.norm == "l2sq" for term in problem.cost.terms):
        return "the cost is quadratic"
    return None


class HullSearch:
    """One search. After `run`: `bound`, `nodes`, `trace`, and `closed` when it proved the gap.

    Args:
        program, problem, bounds, start: as for the encoder.
        points: known plans (H, nu), put into the first relaxation.
        deadline: `time.perf_counter()` value to list modes by, or None.

    Raises:
        TooManyModes: a step has more than `MODES` modes, or out of time.
    """

    def __init__(
        self,
        program: ReluProgram,
        problem: Problem,
        bounds: HorizonBounds,
        start: Box,
        *,
        points: list[np.ndarray],
        deadline: float | None = None,
    ) -> None:
        self._program, self._problem, self._bounds = program, problem, bounds
        self._points = points
        self._low, self._high = form_bounds(program, start, bounds, effective_inputs(program))
        self._programs = 0
        self._build(deadline)
        self.bound, self.nodes, self.closed = -np.inf, 0, False
        self._limit, self._exhausted, self._last_round = np.inf, False, 0.0
        self.trace: list[tuple[float, float, float]] = []

    @property
    def programs(self) -> int:
        """Linear programs solved."""
        return self._programs + self._master.programs

    def _build(self, deadline: float | None) -> None:
        program, problem, points = self._program, self._problem, self._points
        stages = build_stages(
            program, problem.x0, self._bounds, self._low, self._high, cap=MODES, deadline=deadline
        )
        self.modes = [s.modes for s in stages]
        known = [len(s.points) for s in stages]
        if points:
            rollouts = np.stack([program.rollout(problem.x0, a) for a in points])
            actions = np.stack(points)
            for t, stage in enumerate(stages):
                inputs = actions[:, t]
                if t > 0:
                    inputs = np.concatenate([rollouts[:, t], inputs], axis=1)
                stages[t] = stage.with_points(inputs @ stage.S.T)
        self._master = Master(problem, self._bounds, stages)
        for t, count in enumerate(known):
            self._master.add(t, range(count, count + len(points)))

    def run(
        self, offer: Offer, cost: float, limits: Limits, started: float, deadline: float | None
    ) -> None:
        """Search until the gap is closed, the deadline, or the node limit.

        The root first; then, while it pays, bounds of the effective inputs of all plans that
        are better than the best known by the gap, and the modes listed anew inside them; then
        branch and bound.

        Args:
            offer: called with every node's actions.
            cost: best cost known so far.
            limits: gap and node limit.
            started: `time.perf_counter()` value that the trace counts from.
            deadline: `time.perf_counter()` value, or None.
        """
        root = Limits(nodes=1, gap=limits.gap, absolute_gap=limits.absolute_gap)
        cost = self._branch_and_bound(offer, cost, root, started, deadline)
        for _ in range(_TIGHTENINGS):
            if self.closed or not np.isfinite(cost) or not self._time_for_another(deadline):
                break
            began = time.perf_counter()
            try:
                share = self._tighten(_interesting(cost, limits), deadline)
            except TooManyModes:
                break
            self._last_round = time.perf_counter() - began
            if share > _WORTHWHILE:
                break
            cost = self._branch_and_bound(offer, cost, root, started, deadline)
        if not self.closed:
            self._branch_and_bound(offer, cost, limits, started, deadline)

    def _time_for_another(self, deadline: float | None) -> bool:
        if deadline is None:
            return True
        return deadline - time.perf_counter() > max(2.0 * self._last_round, _LEAST_SECONDS)

    def _tighten(self, limit: float, deadline: float | None) -> float:
        """Restrict the search to plans that cost at most `limit`; returns the mean shrinkage."""
        before = (self._high - self._low)[1:]
        low, high = self._master.tighten(limit, self._low, self._high, deadline)
        self._limit = min(self._limit, limit)
        if (low > high).any():
            # No plan can be that good: the limit itself is the bound.
            self._exhausted = True
            return 1.0
        self._low, self._high = low, high
        after = (high - low)[1:]
        self._programs += self._master.programs
        self._build(deadline)
        return float((after / np.maximum(before, 1e-12)).mean()) if before.size else 1.0

    def _branch_and_bound(
        self, offer: Offer, cost: float, limits: Limits, started: float, deadline: float | None
    ) -> float:
        """Best first; updates `bound` and `closed`, returns the best cost."""
        order = itertools.count()
        queue: list[tuple[float, int, tuple[Branch, ...]]] = [(-np.inf, next(order), ())]
        settled, nodes = np.inf, 0
        if self._exhausted:
            queue.clear()
        while queue:
            self._raise_bound(min(queue[0][0], settled), cost, started)
            late = deadline is not None and time.perf_counter() > deadline
            full = limits.nodes is not None and nodes >= limits.nodes
            if limits.closed(cost, self.bound) or late or full:
                break
            parent, _, branches = heapq.heappop(queue)
            stop = _interesting(cost, limits)
            node = self._master.solve(branches, stop, 0.1 * max(limits.gap, 1e-4))
            nodes += 1
            if node is None:
                continue
            bound = max(node.bound, parent)
            cost = min(cost, offer(node.actions))
            chosen = None if bound >= stop else node.branch()
            if chosen is None:
                settled = min(settled, bound)
                continue
            t, neuron = chosen
            for on in (True, False):
                heapq.heappush(queue, (bound, next(order), (*branches, (t, neuron, on))))
        else:
            self._raise_bound(settled, cost, started)
        self.nodes += nodes
        self.closed = limits.closed(cost, self.bound)
        return cost

    def _raise_bound(self, bound: float, cost: float, started: float) -> None:
        """Plans outside the tightened boxes cost more than the limit, and none less than cost."""
        bound = min(bound, self._limit, cost)
        if bound > self.bound:
            self.bound = bound
            self.trace.append((time.perf_counter() - started, cost, bound))


def _interesting(cost: float, limits: Limits) -> float:
    """Plans above this cost need not be looked at to close the gap."""
    return cost - max(limits.absolute_gap, 0.9 * limits.gap * abs(cost))
