"""The best plan so far, with its history: every candidate and every engine offers to it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.explore import APART, apart
from sparsectl.mip.search.polish import Polisher


@dataclass
class Pool:
    """Candidates and the incumbent.

    Attributes:
        started: `time.perf_counter()` value that the trace counts from.
        deadline: `time.perf_counter()` value that no polishing may pass, or None.
        actions: best plan, shape (H, nu), or None.
        cost: cost of its exact rollout, penalties included.
        trace: (seconds, cost, -inf) of every improvement.
    """

    ocp: OCP
    model: MIPModel
    started: float
    deadline: float | None = None
    actions: np.ndarray | None = None
    cost: float = np.inf
    trace: list[tuple[float, float, float]] = field(default_factory=list)
    _seen: list[tuple[float, np.ndarray]] = field(default_factory=list, repr=False)

    @cached_property
    def polisher(self) -> Polisher:
        """Pattern programs of the model."""
        return Polisher(self.ocp, self.model)

    @property
    def all_discrete(self) -> bool:
        """All inputs take values of finite sets: a pattern then leaves nothing to polish."""
        inputs = self.ocp.problem.inputs
        return inputs is not None and bool(inputs.discrete.all())

    def polish(self, actions: np.ndarray, passes: int = 8, deadline: float | None = None) -> float:
        """Offer a plan after pattern LPs (as it is where constraints are soft)."""
        problem = self.ocp.problem
        actions = problem.admit(actions)
        ends = [end for end in (deadline, self.deadline) if end is not None]
        if self.ocp.penalty is None and not self.all_discrete:
            end = min(ends) if ends else None
            actions = self.polisher(actions, passes=passes, deadline=end).actions
        self.offer(actions)
        return self.cost

    def offer(self, actions: np.ndarray) -> float:
        """Cost of a plan, penalties included; kept if it is the best so far."""
        actions = self.ocp.problem.admit(actions)
        cost = float(self.ocp.costs(actions))
        if np.isfinite(cost):
            self._seen.append((cost, actions))
        if cost < self.cost:
            self.actions, self.cost = actions, cost
            self.trace.append((time.perf_counter() - self.started, cost, -np.inf))
        return cost

    def different(self, count: int = 16) -> tuple[np.ndarray, ...]:
        """Plans that were offered and lie apart, best first, at most `count`; shapes (H, nu)."""
        if not self._seen:
            return ()
        problem = self.ocp.problem
        half = np.maximum((problem.u_high - problem.u_low) / 2, 1e-12)
        plans = np.stack([actions for _, actions in self._seen])
        costs = np.array([cost for cost, _ in self._seen])
        return tuple(plans[i] for i in apart(plans / half, costs, count, APART))
