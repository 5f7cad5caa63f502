"""All questions about a closed loop over a box of starts, by proof."""

from __future__ import annotations

import numpy as np

from sparsectl.program import ReluProgram
from sparsectl.task import Problem
from sparsectl.verify import regret as regrets
from sparsectl.verify import search
from sparsectl.verify.bounds import TOLERANCE, Bounds
from sparsectl.verify.config import VerifyConfig
from sparsectl.verify.loop import Loop
from sparsectl.verify.result import Clock, Result
from sparsectl.verify.search import SAFE, Map
from sparsectl.verify.starts import Starts
from sparsectl.verify.worst import Worst, maximise

_MAP, _COST, _VIOLATION = 0.6, 0.75, 0.85
"""Shares of the time that are over when a question has to be answered."""
_TRIED = 2000
"""Starts that are drawn at first."""


def prove(
    loop: Loop,
    dynamics: ReluProgram,
    plans: Problem | None,
    starts: Starts,
    config: VerifyConfig,
    notes: tuple[str, ...] = (),
) -> Result:
    """Map, worst cost, worst violation and worst regret of a closed loop.

    Args:
        loop: policy and model.
        dynamics: the model alone.
        plans: problem of the plans that regret compares with; None: it is not asked for.
        starts: box of start states.
        config: time and gaps.
        notes: to hand on.
    """
    clock, low, high = Clock(config.seconds), starts.low, starts.high
    rng = np.random.default_rng(0)
    drawn = low + rng.random((_TRIED, len(low))) * (high - low)
    costly = Bounds(loop, low, high)
    found, worst = None, None
    if not loop.problem.constraints.empty:
        bounds = Bounds(loop, low, high, cost=False)
        found = search.draw_map(
            bounds, low, high, edge=config.edge, deadline=clock.until(_MAP)
        )  # fmt: skip
        worst = _violation(bounds, found, drawn, starts, config, clock)
    cost = maximise(
        loop.costs, costly.worst_costs, low, high, gap=config.gap,
        deadline=clock.until(_VIOLATION if worst else _COST), starts=drawn,
    )  # fmt: skip
    regret = None
    if plans is not None:
        each = max(0.05 * config.seconds, 0.2)
        ask = regrets.Regret(costly, dynamics, plans, min(each, 5.0), clock.until(1.0))
        first = np.concatenate([cost.start[None], ((low + high) / 2)[None]])
        regret = regrets.worst(ask, low, high, gap=config.gap, starts=first)
        if not np.isfinite(regret.value):
            notes = (*notes, "no plan was found that keeps all constraints: no regret is known")
            regret = None
    spent = clock.spent
    return Result(starts, loop.horizon, True, found, cost, worst, regret, notes, spent[0], spent[1])


def _violation(
    bounds: Bounds, found: Map, drawn: np.ndarray, starts: Starts, config: VerifyConfig,
    clock: Clock,
) -> Worst:  # fmt: skip
    """The worst violation of one constraint, each in its own unit; what is tolerated counts 0."""
    constraints = bounds.loop.problem.constraints
    if (found.kind == SAFE).all():
        middle = (starts.low + starts.high) / 2
        return Worst(0.0, middle, TOLERANCE, found.boxes, True, found.seconds)

    def value(points: np.ndarray) -> np.ndarray:
        states, _ = bounds.loop.rollout(points)
        counted = np.where(constraints.violated(states), constraints.excess(states), 0.0)
        return np.asarray(counted.max((-1, -2), initial=0.0))

    known = np.concatenate([found.start[np.argmax(found.worst)][None], drawn])
    return maximise(
        value, bounds.violations, starts.low, starts.high, gap=config.gap,
        deadline=clock.until(_COST), starts=known,
    )  # fmt: skip
