"""Controllers that do not plan: the floor that every planner must clear."""

from __future__ import annotations

import numpy as np

from sparsectl.control.base import Controller, ControllerState, finish, idle_action
from sparsectl.program import Programs
from sparsectl.task import Problem, Task
from sparsectl.types import Plan


class Zero(Controller):
    """Always the idle action (zero, clipped into the box)."""

    def __init__(self, name: str, task: Task, program: Programs, horizon: int) -> None:
        self.name, self.task, self.program, self.horizon = name, task, program, horizon

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """The idle action at every step."""
        actions = np.repeat(idle_action(self.task)[None], problem.horizon, axis=0)
        return finish(self.program, problem, actions, source="zero")


class Random(Controller):
    """Actions uniform over the box, the same ones for the same state."""

    def __init__(self, name: str, task: Task, program: Programs, horizon: int) -> None:
        self.name, self.task, self.program, self.horizon = name, task, program, horizon

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """Independent uniform actions."""
        size = (problem.horizon, problem.nu)
        actions = state.rng("random").uniform(problem.u_low, problem.u_high, size)
        return finish(self.program, problem, actions, source="random")
