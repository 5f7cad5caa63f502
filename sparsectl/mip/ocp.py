"""The optimal control problem of one decision: a program, a problem and a price of violations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Norm

FEASIBLE = 1e-6
"""Largest violation of a constraint, in units of order one (see `scale`), of a feasible plan."""


@dataclass(frozen=True)
class OCP:
    """What is planned.

    Attributes:
        penalty: cost per unit of constraint violation; None: constraints are hard.
    """

    program: ReluProgram
    problem: Problem
    penalty: float | None = None

    @property
    def soft(self) -> bool:
        """Constraints may be violated, at a price."""
        return self.penalty is not None

    def rollout(self, actions: np.ndarray) -> np.ndarray:
        """Exact states (..., H + 1, nx) of actions (..., H, nu)."""
        return self.program.rollout(self.problem.x0, actions)

    def costs(self, actions: np.ndarray) -> np.ndarray:
        """Exact costs of plans; infinite where one is not finite or violates a hard constraint.

        Args:
            actions: Shape (..., H, nu), inside the action box; infinite where other rules for
                actions are broken.

        Returns:
            Shape (...), the price of violations included.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            costs = self.costs_of(self.rollout(actions), actions)
        if self.problem.inputs is None:
            return costs
        return np.where(self.problem.inputs.excess(actions) > FEASIBLE, np.inf, costs)

    def costs_of(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """As `costs`, of plans that are rolled out."""
        constraints = self.problem.constraints
        costs = np.asarray(self.problem.cost(states, actions), dtype=np.float64)
        if not constraints.empty:
            violated = constraints.worst(states) > FEASIBLE
            extra = np.inf if self.penalty is None else self.penalty * constraints.violation(states)
            costs = costs + np.where(violated, extra, 0.0)
        return np.where(np.isfinite(costs), costs, np.inf)

    def cost_ceiling(self, bounds: HorizonBounds) -> float:
        """No plan that keeps the bounds costs more, violations aside."""
        cost, horizon = self.problem.cost, self.problem.horizon
        E, g = cost.action_form(self.problem.nu)
        total = 0.0
        for t in range(horizon):
            reach = _reach(E, g, bounds.u_low[t], bounds.u_high[t])
            total += cost.action_weight * _largest(reach, cost.action_norm)
            for term in cost.terms:
                target = term.targets(horizon)[t]
                reach = _reach(term.E, target, bounds.x_low[t + 1], bounds.x_high[t + 1])
                total += term.weights(horizon)[t] * _largest(reach, term.norm)
        if cost.priced is not None:
            total += _worst_price(cost.priced, bounds)
        if cost.value is not None:
            total += cost.value.above(bounds.x_low[-1], bounds.x_high[-1])
        return float(total * (1 + 1e-9) + 1e-9)


def _reach(E: np.ndarray, g: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Largest |E v - g| of every row over a box."""
    middle, radius = E @ ((low + high) / 2) - g, abs(E) @ ((high - low) / 2)
    return abs(middle) + radius


def _worst_price(priced: Constraints, bounds: HorizonBounds) -> float:
    """The most that violations cost within bounds."""
    low, high, horizon = bounds.x_low, bounds.x_high, len(bounds.x_low) - 1
    G = priced.G
    most = high[1:] @ np.maximum(G, 0).T + low[1:] @ np.minimum(G, 0).T
    total = float((np.maximum(most - priced.sides(horizon), 0) @ priced.prices).sum())
    for region in priced.keep_out:
        rows = region.A @ region.P
        least = low @ np.maximum(rows, 0).T + high @ np.minimum(rows, 0).T
        deepest = np.maximum(region.sides(horizon) - least, 0).max(axis=1)
        total += region.weight * float(np.maximum(deepest[1:], deepest[:-1]).sum())
    return total


def _largest(reach: np.ndarray, norm: Norm) -> float:
    if norm == "l2sq":
        return float((reach**2).sum())
    return float(reach.sum() if norm == "l1" else reach.max(initial=0.0))
