"""A way out for a planner whose last action did nothing of what its model predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsectl.control.base import Controller, ControllerState, finish
from sparsectl.errors import ConfigError
from sparsectl.program import Programs
from sparsectl.task import Problem
from sparsectl.types import Plan

SHARE = 0.05
"""A decision stalled when no state entry changed by more than this share of the largest change
that was predicted."""
GROWTH = 4
"""Noise grows with every stall in a row, up to this multiple."""


class Unstuck(Controller):
    """Adds noise to `inner`'s next action while the state stays as it is.

    A planner that is back in the state it planned from makes the same plan again, however often
    the world shows that its model is wrong about it. Where the last plan predicted a change and
    (nearly) none came, Gaussian noise is added to the first action: of standard deviation `noise`
    after one such decision, 2 `noise` after two in a row, and so on up to `GROWTH` times it.
    Everywhere else, and with idle plans, `inner` acts as it is. `info["stalls"]` counts them.

    Args:
        inner: the planner.
        program: exact model, for the cost of the plan that acts.
        noise: 1 is half the action box.

    Raises:
        ConfigError: noise that is not above 0.
    """

    def __init__(self, inner: Controller, program: Programs, noise: float) -> None:
        if not 0 < noise < np.inf:
            raise ConfigError(f"stall noise is {noise}, expected above 0")
        self.name, self.task, self.horizon = inner.name, inner.task, inner.horizon
        self.inner, self.program, self.noise = inner, program, noise

    def plan(
        self,
        observation: np.ndarray,
        state: ControllerState | None = None,
        *,
        deadline: float | None = None,
    ) -> Plan:
        """Plan at an observation. Shape (observation_size,)."""
        state = state or ControllerState()
        plan = self.inner.plan(observation, state, deadline=deadline)
        return self._moved(self.task.problem(observation, self.horizon), state, plan)

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """As `inner.solve`, and out of a stall."""
        return self._moved(problem, state, self.inner.solve(problem, state, deadline))

    def _moved(self, problem: Problem, state: ControllerState, plan: Plan) -> Plan:
        count = stalls(state, problem.x0)
        if not (count and plan.status.has_plan and plan.horizon):
            return plan
        rng, half = state.rng("stall"), (problem.u_high - problem.u_low) / 2
        actions = plan.actions.copy()
        actions[0] += min(count, GROWTH) * self.noise * half * rng.standard_normal(problem.nu)
        source = f"{plan.source}, noise"
        info = {**plan.info, "stalls": count}
        other = finish(self.program, problem, actions, source=source, info=info)
        if not other.status.has_plan:
            return plan
        return replace(other, bound=plan.bound, seconds=plan.seconds, trace=plan.trace)


def stalls(state: ControllerState, x: np.ndarray) -> int:
    """Decisions in a row, up to now, after which nothing was as predicted. x: Shape (nx,)."""
    last = state.plan
    if last is None or len(last.states) < 2 or last.states.shape[1:] != x.shape:
        return 0
    predicted = np.abs(last.states[1] - last.states[0]).max()
    changed = np.abs(x - last.states[0]).max()
    if not (np.isfinite(predicted) and predicted > 0 and changed <= SHARE * predicted):
        return 0
    return 1 + int(last.info.get("stalls", 0))
