"""Plans worth trying first, and what plans cost in the exact program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsectl.control.base import ControllerState, idle_action
from sparsectl.task import Problem, Task

if TYPE_CHECKING:
    from sparsectl.program import Programs

PENALTY = 1e3
"""Cost of one unit of constraint violation in a sampler's objective."""


def exact_costs(
    program: Programs, problem: Problem, plans: np.ndarray, penalty: float = PENALTY
) -> np.ndarray:
    """Exact costs of plans, violations included. Shape (N,); inf where a rollout is not finite.

    Args:
        plans: made admissible. Shape (N, H, nu).
        penalty: cost of one unit of violation.
    """
    plans = problem.admit(plans)
    states = program.at(problem).rollout(problem.x0, plans)
    costs = np.asarray(problem.cost(states, plans), dtype=np.float64)
    if not problem.constraints.empty:
        costs = costs + penalty * problem.constraints.violation(states)
    return np.where(np.isfinite(costs) & np.isfinite(states).all((1, 2)), costs, np.inf)


def candidates(
    task: Task, state: ControllerState, horizon: int, given: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Plans worth trying first, the best guess last.

    Args:
        given: further plans, each of shape (horizon, nu), the best guess last.

    Returns:
        Shape (1 to 3 and those given, horizon, nu), action units: idle, and if there is a last
        plan, that plan moved on by one step with its last action held, and with an idle tail;
        then the given ones.
    """
    idle = idle_action(task)
    plans = [np.repeat(idle[None], horizon, axis=0)]
    if state.plan is not None and state.plan.horizon:
        for tail in (state.plan.actions[-1], idle):
            shifted = state.shifted(horizon, tail)
            if shifted is not None and np.isfinite(shifted).all():
                plans.append(shifted)
    plans += [np.asarray(plan) for plan in given if np.isfinite(plan).all()]
    return np.stack(plans)
