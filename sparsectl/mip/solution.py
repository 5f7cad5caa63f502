"""What a backend returns, and what a solve returns. Outcomes are values, never exceptions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from sparsectl.checks import within
from sparsectl.errors import ConfigError
from sparsectl.types import Status

NUMERICAL_GAP = 1e-7
"""No gap below this, relative to 1 + |cost|, means anything at the solvers' tolerances."""


@dataclass(frozen=True)
class Limits:
    """When to stop.

    Attributes:
        seconds: wall-clock limit [s]; None or infinity: none.
        nodes: branch-and-bound node limit; None: none. Use it where runs must be repeatable.
        gap: relative gap (cost - bound) / |cost| at which a solution counts as optimal.
        absolute_gap: the same in cost units; what is below `NUMERICAL_GAP` counts as that. A
            search stops at whichever of the two it meets first.
        trial: nodes at which a search stops whose gap hardly closes any more; None: it goes on.
            The search over boxes knows it.

    Raises:
        ConfigError: a negative limit, or one that is not a number.
    """

    seconds: float | None = None
    nodes: int | None = None
    gap: float = 1e-4
    absolute_gap: float = 0.0
    trial: int | None = None

    def __post_init__(self) -> None:
        if self.seconds == math.inf:
            object.__setattr__(self, "seconds", None)
        within(self, "limits", "[0, inf)", "seconds")
        if self.nodes is not None and self.nodes < 1:
            raise ConfigError(f"node limit is {self.nodes}, expected at least 1")
        within(self, "limits", "[0, inf)", "gap", "absolute_gap")

    def closed(self, cost: float, bound: float) -> bool:
        """Whether a cost and a bound prove optimality; without a plan (infinite cost) never."""
        if not math.isfinite(cost):
            return False
        rounding = NUMERICAL_GAP * (1 + abs(cost))
        return cost - bound <= max(self.absolute_gap, self.gap * abs(cost), rounding)

    def claim(self, cost: float, bound: float, unit: float = 1.0, typical: float = 1.0) -> str:
        """What a cost and a bound prove, in words: the least allowance that they keep.

        Args:
            cost, bound: of a plan, and of all plans.
            unit: one unit of these costs in the user's, in which a tolerance is told.
            typical: cost of some plan; where rounding leaves more than 1e-5 of it, that is told.

        Returns:
            "optimal", "optimal but for 0.01 of rounding", "optimal to 1 %", "within 0.001 of the
            optimum"; "" where they prove nothing.
        """
        if not self.closed(cost, bound):
            return ""
        allowed = sorted(
            [
                (self.gap * abs(cost), f"optimal to {100 * self.gap:.6g} %"),
                (self.absolute_gap, f"within {self.absolute_gap * unit:.6g} of the optimum"),
            ]
        )
        # What rounding leaves is not an allowance; where it is much of what plans cost it is told.
        if cost - bound <= NUMERICAL_GAP * (min(1.0, 100 * typical) + abs(cost)):
            return "optimal"
        if cost - bound <= NUMERICAL_GAP * (1 + abs(cost)):
            return f"optimal but for {(cost - bound) * unit:.2g} of rounding"
        return next(words for size, words in allowed if cost - bound <= size)

    def cutoff(self, cost: float) -> float:
        """Plans above this cost need not be looked at to close the gap."""
        if not math.isfinite(cost):
            return math.inf
        return cost - 0.9 * max(self.absolute_gap, NUMERICAL_GAP, self.gap * abs(cost))


@dataclass(frozen=True)
class RawSolution:
    """Answer of a backend about a `MIPModel`.

    Attributes:
        values: best assignment, or None. Decided by counting solutions.
        bound: proven lower bound on the model's cost; -inf when nothing is known.
        infeasible: proved that no assignment exists.
        seconds: time in the solver [s].
        trace: (seconds, incumbent cost, bound).
    """

    values: np.ndarray | None
    bound: float
    infeasible: bool = False
    nodes: int = 0
    seconds: float = 0.0
    trace: tuple[tuple[float, float, float], ...] = ()
    message: str = ""
    solver: str = ""


@dataclass(frozen=True)
class Solution:
    """Answer to a planning problem.

    Attributes:
        status: OPTIMAL, FEASIBLE, INFEASIBLE, NO_SOLUTION or FAILED.
        actions: Shape (H, nu), or None.
        states: exact rollout of `actions`. Shape (H + 1, nx), or None.
        cost: cost of the exact rollout (plus the penalty of soft violations); inf without a plan.
        claimed_cost: what the solver said the same plan costs.
        violation: summed constraint violation of `states`, in the constraints' units.
        bound: proven lower bound on the cost of every plan, or None.
        certificate: whose word `bound` (or the proof that there is no plan) is: "weak duality",
            "bounds" (of neurons and states), or a solver's name.
        claim: what cost and bound prove of an OPTIMAL plan, see `Limits.claim`; else "".
        nodes, binaries: size of the search and of the model.
        seconds: total wall-clock time [s]; `build_seconds` of it before the solver started.
        trace: (seconds, incumbent cost, bound) over time.
        plans: different good plans met on the way, best first, each of shape (H, nu).
        message: what happened, in words; for INFEASIBLE it names the constraint when known.
    """

    status: Status
    actions: np.ndarray | None = None
    states: np.ndarray | None = None
    cost: float = float("inf")
    claimed_cost: float = float("inf")
    violation: float = 0.0
    bound: float | None = None
    certificate: str = ""
    claim: str = ""
    nodes: int = 0
    binaries: int = 0
    seconds: float = 0.0
    build_seconds: float = 0.0
    trace: tuple[tuple[float, float, float], ...] = field(default=(), repr=False)
    message: str = ""
    plans: tuple[np.ndarray, ...] = field(default=(), repr=False)

    @property
    def gap(self) -> float | None:
        """Relative gap (cost - bound) / max(|cost|, 1e-9), clipped at 0; None without a bound."""
        if self.bound is None or not np.isfinite(self.cost):
            return None
        return max(0.0, (self.cost - self.bound) / max(abs(self.cost), 1e-9))
