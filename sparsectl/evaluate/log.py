"""What is noted during an episode, and the row of plain numbers that it becomes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl.evaluate.regret import Regret
from sparsectl.task import Constraints
from sparsectl.types import Plan, Status

FAILURES = ("diverged", "bad_action", "gave_up", "error")
"""Outcomes that count as a failure, whatever the environment says."""

SHIELD = ("certified", "intervened", "needless")
"""What is counted of a shield's decisions, see `Plan.info`."""


@dataclass
class Violations:
    """In the states that were visited: each step's worst, and how often each constraint was it."""

    worst: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, constraints: Constraints, states: np.ndarray) -> None:
        """Note how the first of some steps violates constraints. states: Shape (H + 1, nx)."""
        if constraints.empty:
            return
        excess = constraints.excess(states)[0]
        worst = int(np.argmax(excess))
        self.worst.append(float(excess[worst]))
        if constraints.violated(states)[0].any():
            self.counts[constraints.names[worst]] += 1

    @property
    def most(self) -> float | None:
        """The worst of all steps; None where nothing could be violated."""
        return max(self.worst, default=None)

    @property
    def share(self) -> float:
        """Of the steps with a violation; NaN where nothing could be violated."""
        return self.counts.total() / len(self.worst) if self.worst else math.nan


@dataclass
class EpisodeLog:
    """Notes of one episode. Lists have one entry per decision, `errors` one more.

    `violations` are those of the plans, summed over their steps and hard constraints; `softened`
    counts the constraints that softened plans violate most. `hard` and `priced` are the violations
    in the states that were visited, of hard constraints and of those that have a price. `shield`
    counts decisions that a shield certified, intervened in, and those of them that were needless.
    """

    budget: float | None
    errors: list[float] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    successes: list[bool | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    made: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    bounds: list[float | None] = field(default_factory=list)
    gaps: list[float | None] = field(default_factory=list)
    optimal: list[bool] = field(default_factory=list)
    proved: list[bool] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)
    overruns: list[float] = field(default_factory=list)
    violations: list[float] = field(default_factory=list)
    softened: Counter[str] = field(default_factory=Counter)
    hard: Violations = field(default_factory=Violations)
    priced: Violations = field(default_factory=Violations)
    clipped: int = 0
    shield: Counter[str] = field(default_factory=Counter)

    def decision(self, plan: Plan | None, seconds: float) -> None:
        """Note one decision; `plan` is None for a plain policy."""
        self.seconds.append(seconds)
        if plan is None:
            return
        own = plan.fallback is None
        self.costs.append(plan.cost)
        self.bounds.append(plan.bound if own else None)
        self.gaps.append(plan.gap if own else None)
        self.optimal.append(own and plan.closed)
        if own and plan.gap is not None:
            self.proved.append(Regret().proved(plan.gap, self.optimal[-1]))
        self.statuses[str(plan.status)] += 1
        self.sources[plan.source or "unknown"] += 1
        if plan.fallback is not None:
            self.fallbacks[plan.fallback] += 1
        if float(plan.info.get("overrun") or 0.0) > 0:
            self.overruns.append(float(plan.info["overrun"]))
        self.shield.update(k for k in SHIELD if plan.info.get("shield", {}).get(k))
        self.violations.append(float(plan.info.get("violation") or 0.0))
        if plan.status is Status.SOFTENED and "violated" in plan.info:
            most = plan.info["violated"]
            only = " (its margin only)" if most.get("margins_only") else ""
            self.softened[most["constraint"] + only] += 1

    def outcome(self, success: bool | None, error: float | None) -> None:
        """Note what the environment says about its present state."""
        self.successes.append(success)
        self.errors.append(math.nan if error is None else float(error))

    def row(self, outcome: str) -> dict[str, Any]:
        """The columns that follow from the notes; finite numbers, None or lists of these."""
        known = [s for s in self.successes if s is not None]
        failed = outcome in FAILURES
        success: bool | None = known[-1] if known else None
        gaps = [g for g in self.gaps if g is not None and math.isfinite(g)]
        seconds = np.asarray(self.seconds)
        late = seconds > self.budget if self.budget is not None else np.zeros(len(seconds), bool)
        return plain(
            {
                "outcome": outcome,
                "success": False if failed else success,
                "ever_success": any(known) if known else None,
                "final_error": self._final_error(failed),
                "errors": self.errors,
                "return": sum(self.rewards),
                "steps": len(self.rewards),
                "task_cost": sum(self.made) if self.made else None,
                "mean_cost": mean([c for c in self.costs if math.isfinite(c)]),
                "costs": self.costs,
                "bounds": self.bounds,
                "gaps": self.gaps,
                "optimal": self.optimal,
                "mean_gap": mean(gaps),
                "proved": mean(self.proved),
                "seconds": self.seconds,
                **decision_times(seconds),
                "deadline_misses": int(late.sum()),
                "overruns": len(self.overruns),
                "worst_overrun": max(self.overruns, default=0.0),
                "fallbacks": dict(self.fallbacks),
                "statuses": dict(self.statuses),
                "sources": dict(self.sources),
                "clipped_actions": self.clipped,
                "worst_violation": max(self.violations, default=0.0),
                "softened": dict(self.softened),
                "real_violations": self.hard.worst,
                "violated": dict(self.hard.counts),
                "worst_real_violation": self.hard.most,
                "steps_violated": self.hard.share,
                "priced_violations": self.priced.worst,
                "priced_violated": dict(self.priced.counts),
                "worst_priced_violation": self.priced.most,
                "steps_priced_violated": self.priced.share,
                **({"shield": dict(self.shield)} if self.shield else {}),
            }
        )

    def _final_error(self, failed: bool) -> float:
        """The last error; the worst one of an episode that failed, so that failing never pays."""
        finite = [e for e in self.errors if math.isfinite(e)]
        if not finite:
            return math.nan
        return max(finite) if failed else finite[-1]


def decision_times(seconds: np.ndarray) -> dict[str, float]:
    """Percentiles of decision times [s]."""
    names = ("seconds_p50", "seconds_p95", "seconds_p99", "seconds_max")
    if len(seconds) == 0:
        return dict.fromkeys(names, math.nan)
    values = *np.percentile(seconds, [50, 95, 99]), seconds.max()
    return dict(zip(names, map(float, values), strict=True))


def plain(value: Any) -> Any:
    """JSON-writable copy: numpy becomes Python, non-finite numbers become None."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else None
    return value


def mean(values: Sequence[float]) -> float:
    """NaN without values."""
    return float(np.mean(values)) if values else math.nan
