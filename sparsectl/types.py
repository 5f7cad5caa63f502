"""Values that every room agrees on: `Status` and `Plan`."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Status(enum.StrEnum):
    """Outcome of one planning call, decided by the solutions in hand, not by a solver's string."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    HEURISTIC = "heuristic"
    SOFTENED = "softened"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"
    FAILED = "failed"

    @property
    def has_plan(self) -> bool:
        """Whether a plan that the model reproduces exists."""
        return self in (Status.OPTIMAL, Status.FEASIBLE, Status.HEURISTIC, Status.SOFTENED)

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _ADVICE[self]


_ADVICE = {
    Status.OPTIMAL: "proved optimal under the model within the requested gap or tolerance",
    Status.FEASIBLE: "a plan and a bound, not closed: allow more time, a shorter horizon or "
    "fewer ReLUs if the gap matters",
    Status.HEURISTIC: "a plan without a bound: use the mip controller to certify it",
    Status.SOFTENED: "a plan that pays for violating hard constraints, because they cannot hold or "
    "no plan was found in time that keeps them: relax the named constraint or allow more time",
    Status.INFEASIBLE: "no plan satisfies the constraints under the model: relax the named "
    "constraint or enable soft constraints",
    Status.NO_SOLUTION: "the limit was reached before any plan was found: give a warm start or "
    "more time",
    Status.FAILED: "the planner could not work on this input: see the message in `info`",
}


@dataclass(frozen=True)
class Plan:
    """An open-loop plan and what is known about it.

    Attributes:
        actions: Shape (H, nu), the environment's action units. Zero rows when there is no plan.
        states: Shape (H + 1, nx), physical units; `states[0]` is the present state.
        cost: cost of `actions` rolled out exactly through the model; inf without a plan.
        bound: proven lower bound on the cost of every plan under the model, or None.
        certificate: whose word the bound is: "weak duality", "bounds", or a solver's name.
        claim: what cost and bound prove of an OPTIMAL plan: "optimal", "optimal but for 0.01 of
            rounding", "optimal to 1 %", "within 0.001 of the optimum" (in the unit of the cost);
            else "".
        seconds: wall-clock time of the call [s].
        source: which method produced the actions ("mip", "mppi", "shifted", ...).
        fallback: why a substitute acted ("deadline", "infeasible", ...), or None.
        trace: (seconds, incumbent cost, bound) over time, for anytime planners.
        alternatives: different good plans met on the way, best first, each of shape (H, nu).
        info: further facts (nodes, binaries, messages, ...).
    """

    actions: np.ndarray
    states: np.ndarray
    status: Status
    cost: float
    bound: float | None = None
    seconds: float = 0.0
    source: str = ""
    fallback: str | None = None
    trace: tuple[tuple[float, float, float], ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    certificate: str = ""
    claim: str = ""
    alternatives: tuple[np.ndarray, ...] = ()

    @property
    def gap(self) -> float | None:
        """Relative gap (cost - bound) / max(|cost|, 1e-9), clipped at 0; None without a bound."""
        if self.bound is None or not np.isfinite(self.cost):
            return None
        return max(0.0, (self.cost - self.bound) / max(abs(self.cost), 1e-9))

    @property
    def regret(self) -> float | None:
        """No plan costs less by more than this under the model; None without a bound."""
        if self.bound is None or not np.isfinite(self.cost):
            return None
        return max(0.0, self.cost - self.bound)

    @property
    def closed(self) -> bool:
        """Whether it is optimal but for rounding, not within a gap or tolerance asked for."""
        return self.status is Status.OPTIMAL and not self.claim.startswith(("optimal to", "within"))

    @property
    def horizon(self) -> int:
        """Number of planned actions."""
        return len(self.actions)
