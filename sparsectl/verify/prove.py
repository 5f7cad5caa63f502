"""All questions about a closed loop over a box of starts, by proof."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

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
from sparsectl.verify.spread import Call, spread
from sparsectl.verify.starts import Starts
from sparsectl.verify.worst import Worst, maximise

_MAP = 0.6
"""Share of the time that is for the map, where there is one."""
_ENDS = {1: (0.75, 0.85, 1.0), 2: (0.8, 0.8, 1.0)}
"""Shares of the time that are over when violation, cost and regret have to be answered, by
processes; with more all are asked at once."""
_TRIED, _FEW = 2000, 64
"""Starts that are drawn at first; of these, the most costly of a few is asked for its regret."""


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
        plans: problem of the plans that regret compares with; None: it is not asked for.

    Raises:
        SparsectlError: a process failed.
    """
    clock, low, high = Clock(config.seconds), starts.low, starts.high
    rng = np.random.default_rng(0)
    drawn = low + rng.random((_TRIED, len(low))) * (high - low)
    costly = Bounds(loop, low, high)
    calls: dict[str, Call] = {}
    with spread(config.workers) as where:
        found = None
        ends = _ENDS.get(config.workers, (1.0, 1.0, 1.0))
        if not loop.problem.constraints.empty:
            bounds = Bounds(loop, low, high, cost=False)
            found = search.draw_map(
                bounds, low, high, edge=config.edge, deadline=clock.until(_MAP), spread=where
            )  # fmt: skip
            calls["violation"] = partial(_violation, bounds, found, drawn, starts, config.gap)
        calls["cost"] = partial(_cost, costly, low, high, config.gap, drawn)
        if plans is not None:
            each = min(max(0.05 * config.seconds, 0.2), 5.0)
            ask = regrets.Regret(costly, dynamics, plans, each)
            with np.errstate(over="ignore", invalid="ignore"):
                worst = np.argmax(np.nan_to_num(loop.costs(drawn[:_FEW]), nan=-np.inf))
            first = np.stack([drawn[worst], (low + high) / 2])
            calls["regret"] = partial(regrets.worst, ask, low, high, config.gap, first)
        shares = dict(zip(("violation", "cost", "regret"), ends, strict=True))
        answers = where.run([*calls.values()], [clock.until(shares[name]) for name in calls])
    answer: dict[str, Worst | None] = dict(zip(calls, answers, strict=True))
    cost, regret = answer["cost"], answer.get("regret")
    if cost is not None and regret is not None:
        regret = replace(regret, bound=min(regret.bound, cost.bound))  # no plan costs less than 0
        if not np.isfinite(regret.value):
            notes = (
                *notes,
                "no plan that keeps all constraints was found in time: no regret is known",
            )
            regret = None
    seconds, cpu = clock.spent
    return Result(
        starts, loop.horizon, True, found, cost, answer.get("violation"), regret, notes,
        seconds, cpu + where.cpu_seconds,
    )  # fmt: skip


def _cost(
    bounds: Bounds, low: np.ndarray, high: np.ndarray, gap: float, drawn: np.ndarray,
    deadline: float | None,
) -> Worst:  # fmt: skip
    return maximise(
        bounds.loop.costs, partial(bounds.worst_costs, deadline=deadline), low, high, gap=gap,
        deadline=deadline, starts=drawn, batch=bounds.batch,
    )  # fmt: skip


def _violation(
    bounds: Bounds, found: Map, drawn: np.ndarray, starts: Starts, gap: float,
    deadline: float | None,
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
        value, partial(bounds.violations, deadline=deadline), starts.low, starts.high, gap=gap,
        deadline=deadline, starts=known, batch=bounds.batch,
    )  # fmt: skip
