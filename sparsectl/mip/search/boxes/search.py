"""Best-first branch and bound over the action box.

A box whose bound reaches the cutoff is dropped, any other is cut in half along the action that
most of what the bound lacks is due to (`scores`). The cost of a box grows with the network's size,
the number of boxes with the number of actions over the horizon only: for wide networks and up to
about six of them this beats branching on neurons by far (scripts/mip/bench.py, suite `table`).
"""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import replace

import numpy as np

from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.boxes import scores
from sparsectl.mip.search.boxes import slopes as slopes_
from sparsectl.mip.search.boxes.box import Batch, Box, cuts_of, down
from sparsectl.mip.search.boxes.dual import ascend, room
from sparsectl.mip.search.boxes.keep_out import Places
from sparsectl.mip.search.boxes.relaxation import Half, Relaxation
from sparsectl.mip.search.contract import WEAK_DUALITY, Outcome
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.solution import Limits
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.crown import Lines
from sparsectl.task import Problem

_ITERATIONS = 7
_BATCH = 128
"""Boxes bounded at once, at most."""
_PER_BOX, _PER_PAIR = 5e-4, 1e-8
"""Seconds of a box before a batch of several was timed, and what it may take for each pair of
neurons and of steps (.004 s for 64 + 64 ReLUs and five steps of Rope, .09 for 512 of PushT)."""
_FIRST_CUTS, _COARSE = 6, 5e-4
"""A batch takes as long as some fifty boxes by itself (three steps of 4 + 12 ReLUs): where this gap
or more is asked for the whole box is cut so often at once (below, halves are bounded better by what
their parents learnt)."""
_SECONDS, _SHARE = 0.015, 0.02
"""Aim for a batch where there is a deadline: seconds, or this share of the time that is left."""
_MEMORY = 2_000_000_000
"""Bytes that open boxes may take."""
_OFFERS, _FIRST_OFFERS = 500, 25
"""Boxes between two polished plans that are only nearly as good as the best, or not feasible; and
while there is no plan."""
_PENALTY = 10.0
"""Cost per unit of violation by which plans for repair are chosen."""
_NARROW = 1e-9
_HOPELESS = 20_000
"""Boxes without a plan after which the search gives up."""
_SLOW = 0.6
"""A trial has failed where more than this share of the gap at its first quarter is left."""
_PLAUSIBLE = 100
"""Boxes without a plan after which what is left is taken to hold none, and that is to be proved."""


def refusal(problem: Problem) -> str | None:
    """Why this engine cannot plan such problems, whatever the program is, or None."""
    return problem.hybrid


def unsupported(ocp: OCP) -> str | None:
    """Why this engine cannot plan here, or None."""
    program = ocp.program
    if ocp.soft:
        return "constraints are soft"
    if program.m == 0:
        return "the program is affine"
    if program.has_steps:
        return "it has step (sign) neurons"
    return refusal(ocp.problem)


class BoxSearch:
    """One search. `run` gives what it proved; `bound` and `closed` are kept.

    Args:
        bounds: sound bounds over the whole action box.
    """

    def __init__(self, pool: Pool, bounds: HorizonBounds) -> None:
        program, problem = pool.ocp.program, pool.ocp.problem
        program.require_relus("the search over action boxes")
        self._pool, self._program, self._problem = pool, program, problem
        self._relaxation = Relaxation(program, problem.x0, problem.horizon)
        self._places = Places(self._relaxation, problem, bounds)
        self._slopes = slopes_.build(problem, bounds, len(self._places))
        self._root = bounds
        self._ceiling = pool.ocp.cost_ceiling(bounds)
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Box]] = []
        self._settled, self._polished = np.inf, 0
        self._overhead = np.inf
        self._at_worst = _PER_PAIR * (problem.horizon * program.m) ** 2
        self._per_box = max(_PER_BOX, self._at_worst / (2 * problem.horizon))
        self._limits = Limits()
        self._at_quarter: float | None = None
        self.bound, self.nodes, self.closed = -np.inf, 0, False
        self.trace: list[tuple[float, float, float]] = []

    def run(self, limits: Limits, deadline: float | None) -> Outcome:
        """Search until the gap is closed, the deadline, or the node limit.

        Args:
            deadline: `time.perf_counter()` value, or None.
        """
        root, self._limits = self._root, limits
        low, high = root.pre_low[None], root.pre_high[None]
        batch = Batch(
            root.u_low[None], root.u_high[None], low, high, Lines.of(low, high).lower,
            self._slopes.start[None], self._places.low, self._places.high,
            np.zeros((1, root.u_low.size)), np.full(1, np.inf), np.zeros(1), np.array([-np.inf]),
        )  # fmt: skip
        self._open(batch)
        most = max(_MEMORY // self._bytes(), 1000)
        full = False
        while not self._done(deadline) and not full:
            for part in self._halves(deadline):
                self._open(part)
            full = len(self._queue) > most
        self.closed = limits.closed(self._cost, self.bound)
        message = f"{self.nodes} action boxes"
        if full:
            message += f", stopped at {len(self._queue)} open boxes, for memory"
        return Outcome(self.bound, WEAK_DUALITY, self.nodes, tuple(self.trace), message)

    @property
    def _cost(self) -> float:
        return self._pool.cost

    def _cutoff(self) -> float:
        """Plans above this cost are of no interest; no plan costs more than the ceiling."""
        return min(self._limits.cutoff(self._cost), self._ceiling)

    def _done(self, deadline: float | None) -> bool:
        """Raise the bound to what is proved by now; whether to stop."""
        lowest = min(self._queue[0][0] if self._queue else np.inf, self._settled)
        # What was dropped costs at least the cutoff; without a plan it holds none.
        dropped = self._cutoff() if np.isfinite(self._cost) else np.inf
        bound = min(lowest, max(dropped, self.bound))
        if bound > self.bound:
            self.bound = bound
            self.trace.append((time.perf_counter() - self._pool.started, self._cost, bound))
        nodes = self._limits.nodes
        batch = self._overhead if np.isfinite(self._overhead) else 0.0
        late = deadline is not None and time.perf_counter() + batch > deadline
        full = nodes is not None and self.nodes + 1 >= nodes
        hopeless = not np.isfinite(self._cost) and self.nodes > _HOPELESS
        closed = self._limits.closed(self._cost, self.bound)
        return not self._queue or closed or late or full or hopeless or self._slow()

    def _slow(self) -> bool:
        """Whether a trial ends here, in which the gap hardly closed."""
        trial, gap = self._limits.trial, self._cost - self.bound
        if trial is None or self.nodes < trial / 4:
            return False
        if self._at_quarter is None:
            self._at_quarter = gap
        if self.nodes < trial:
            return False
        self._limits = replace(self._limits, trial=None)
        return gap > _SLOW * self._at_quarter

    def _halves(self, deadline: float | None) -> list[Batch]:
        """Children of the best boxes; in two groups among keep-out regions.

        Each group offers a plan, and there they are seldom found.
        """
        most, nodes = 2 * _BATCH, self._limits.nodes
        if deadline is not None:
            left = deadline - time.perf_counter()
            most = int(np.clip(max(_SECONDS, _SHARE * left) / self._per_box, 8, most))
            most = min(most, max(int(left / self._at_worst), 2))
        if nodes is not None:
            most = max(min(most, nodes - self.nodes), 2)
        cutoff = self._cutoff()
        parents: list[tuple[float, Box]] = []
        while self._queue and len(parents) < most // 2:
            bound, _, box = heapq.heappop(self._queue)
            if bound >= cutoff:
                self._queue.clear()
                break
            parents.append((bound, box))
        if not parents:
            return []
        cuts = min(len(parents[0][1].splits), int(np.log2(most / len(parents))))
        middle = (len(parents) + 1) // 2 if len(self._places) else len(parents)
        return [self._cut(part, cuts) for part in (parents[:middle], parents[middle:]) if part]

    def _cut(self, parents: list[tuple[float, Box]], cuts: int) -> Batch:
        """All parts of boxes by the first cuts of each."""
        splits = np.stack([box.splits[:cuts] for _, box in parents])
        low, high = (np.stack([getattr(b, n) for _, b in parents]) for n in ("u_low", "u_high"))
        for at in splits.T:
            rows, (t, i) = np.arange(len(low)), np.divmod(np.resize(at, len(low)), self._problem.nu)
            middle = (low[rows, t, i] + high[rows, t, i]) / 2
            low, high = np.concatenate([low, low]), np.concatenate([high, high])
            high[rows, t, i], low[len(rows) + rows, t, i] = middle, middle

        def each(name: str) -> np.ndarray:
            stack = np.stack([getattr(b, name) for _, b in parents]).astype(np.float64)
            return np.concatenate([stack] * 2**cuts)

        return Batch(
            low, high, each("low"), each("high"), each("lower"), each("slopes"),
            each("form_low"), each("form_high"), each("linear"), each("side"), each("polyak"),
            np.tile([p[0] for p in parents], 2**cuts),
        )  # fmt: skip

    def _open(self, batch: Batch) -> None:
        """Bound boxes and queue those that may hold a better plan."""
        began = time.perf_counter()
        size, cutoff = len(batch.u_low), self._cutoff()
        u_low, u_high = batch.u_low, batch.u_high
        lines = Lines.of(batch.low.copy(), batch.high.copy())
        half = Half(batch.linear, batch.side)
        slopes = self._relaxation.tighten(lines, u_low, u_high, half)
        forms = batch.form_low.copy(), batch.form_high.copy()
        by_form = self._places.tighten(lines, *forms, u_low, u_high)
        rows = self._places.rows(*forms)
        lines.lower = np.where(lines.unstable, batch.lower, lines.lower)
        # Steps towards the ceiling are long: they are for regions that seem to hold no plan.
        plausible = not np.isfinite(self._cost) and self.nodes < _PLAUSIBLE
        found = ascend(
            self._relaxation, self._slopes, lines, u_low, u_high, batch.slopes,
            np.inf if plausible else cutoff,
            _ITERATIONS, self._places.points, rows, batch.polyak > 0,
        )  # fmt: skip
        linear = found.linear.reshape(size, -1)
        value = found.value + half.rises(linear[:, None], u_low, u_high)[:, 0]
        value = np.maximum(value - 1e-9 * (1 + abs(value)), batch.parent)
        empty = (lines.low > lines.high).any((1, 2)) | (found.u_low > found.u_high).any((1, 2))
        empty |= half.outside(u_low, u_high)
        alive = np.flatnonzero((value < cutoff) & ~empty & ~rows.empty)
        self.nodes += size
        if len(alive):
            plans = np.clip(found.actions[alive], found.u_low[alive], found.u_high[alive])
            self._try(plans)
        least = np.where(linear > 0, u_low.reshape(size, -1), u_high.reshape(size, -1))
        side = (linear * least).sum(1) + room(cutoff, found.value)
        short = np.where(np.isfinite(cutoff), cutoff - value, 0.0)
        shares = self._places.shares(rows, by_form)
        score = scores.by_action(lines, found, slopes, u_high - u_low, short, rows, shares)
        widths = (found.u_high - found.u_low).reshape(size, -1)
        allowed = self._cost - self._cutoff() if np.isfinite(self._cost) else 0.0
        coarse = allowed >= _COARSE * abs(self._cost)
        count = _FIRST_CUTS if self.nodes == 1 and coarse else 1
        splits = cuts_of(np.where(widths < _NARROW, -1.0, score), count)
        for k in alive:
            if widths[k].max() < _NARROW:
                self._settled = min(self._settled, float(value[k]))
                continue
            box = Box(
                found.u_low[k].copy(), found.u_high[k].copy(),
                down(lines.low[k]), -down(-lines.high[k]),
                found.lower[k].astype(np.float32), found.slopes[k].copy(),
                down(forms[0][k]), -down(-forms[1][k]),
                linear[k].copy(), side[k], found.polyak[k],
                splits[k],
            )  # fmt: skip
            heapq.heappush(self._queue, (float(value[k]), next(self._order), box))
        spent = time.perf_counter() - began
        self._overhead = min(self._overhead, spent)
        if size > 1:
            self._per_box += 0.5 * ((spent - self._overhead) / size - self._per_box)
            self._at_worst = spent / size

    def _try(self, plans: np.ndarray) -> None:
        """Roll plans out; the best is offered where it is better, or near and not tried lately."""
        ocp, cost = self._pool.ocp, self._cost
        states = ocp.rollout(plans)
        feasible = ocp.costs_of(states, plans)
        i = int(np.argmin(feasible))
        offers = _OFFERS if np.isfinite(cost) else _FIRST_OFFERS
        due = self._polished * offers < self.nodes
        near = due and feasible[i] < cost + 0.02 * abs(cost)
        if np.isfinite(feasible[i]) and (feasible[i] < cost - 1e-9 * (1 + abs(cost)) or near):
            self._polished += 1
            self._pool.polish(plans[i])
        elif due and not self._problem.constraints.empty:
            # Polishing may move a plan that cuts a corner out of the region.
            costs = self._problem.cost(states, plans)
            violation = self._problem.constraints.violation(states, weighted=False)
            i = int(np.argmin(costs + _PENALTY * violation))
            if costs[i] < cost:
                self._polished += 1
                self._pool.polish(plans[i])

    def _bytes(self) -> int:
        neurons = self._problem.horizon * self._relaxation.m
        forms = 2 * 4 * self._places.low.size
        actions = 8 * 3 * self._root.u_low.size
        return 3 * 4 * neurons + 8 * len(self._slopes.g) + forms + actions + 1000
