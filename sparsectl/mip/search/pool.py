"""The best plan so far, with its history: every candidate and every engine offers to it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sparsectl.mip.model import MIPModel
from sparsectl.mip.search.explore import APART, apart
from sparsectl.mip.search.polish import Polisher
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem


@dataclass
class Pool:
    """Candidates and the incumbent.

    Attributes:
        program, problem, model: what is planned.
        started: `time.perf_counter()` value that the trace counts from.
        penalty: cost per unit of constraint violation; None: constraints are hard.
        actions: best plan, shape (H, nu), or None.
        cost: cost of its exact rollout, penalties included.
        trace: (seconds, cost, -inf) of every improvement.
    """

    program: ReluProgram
    problem: Problem
    model: MIPModel
    started: float
    penalty: float | None
    actions: np.ndarray | None = None
    cost: float = np.inf
    trace: list[tuple[float, float, float]] = field(default_factory=list)
    _seen: list[tuple[float, np.ndarray]] = field(default_factory=list, repr=False)

    @cached_property
    def _polisher(self) -> Polisher:
        return Polisher(self.program, self.problem, self.model)

    def polish(self, actions: np.ndarray, passes: int = 8, deadline: float | None = None) -> float:
        """Offer a plan after pattern LPs (as it is where constraints are soft)."""
        actions = np.clip(actions, self.problem.u_low, self.problem.u_high)
        if self.penalty is None:
            actions = self._polisher(actions, passes=passes, deadline=deadline).actions
        self.offer(actions)
        return self.cost

    def offer(self, actions: np.ndarray) -> float:
        """Cost of a plan, penalties included; kept if it is the best so far."""
        problem = self.problem
        actions = np.clip(actions, problem.u_low, problem.u_high)
        states = self.program.rollout(problem.x0, actions)
        violation = float(problem.constraints.violation(states))
        cost = float(problem.cost(states, actions))
        if violation > 1e-6:
            cost += np.inf if self.penalty is None else self.penalty * violation
        if np.isfinite(cost):
            self._seen.append((cost, actions))
        if np.isfinite(cost) and cost < self.cost:
            self.actions, self.cost = actions, cost
            self.trace.append((time.perf_counter() - self.started, cost, -np.inf))
        return cost

    def different(self, count: int = 16) -> tuple[np.ndarray, ...]:
        """Plans that were offered and lie apart, best first, at most `count`; shapes (H, nu)."""
        if not self._seen:
            return ()
        half = np.maximum((self.problem.u_high - self.problem.u_low) / 2, 1e-12)
        plans = np.stack([actions for _, actions in self._seen])
        costs = np.array([cost for cost, _ in self._seen])
        return tuple(plans[i] for i in apart(plans / half, costs, count, APART))
