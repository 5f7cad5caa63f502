"""Where a planner's program comes from: one for all states, or one for the state at hand."""

from __future__ import annotations

from typing import Protocol

from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem


class Programs(Protocol):
    """What planners hold. A `ReluProgram` is the constant case: its own `at` returns itself."""

    def at(self, problem: Problem) -> ReluProgram:
        """The program to plan a decision with.

        It need be exact only for rollouts from `problem.x0` over `problem.horizon` steps with
        actions in `problem`'s box.
        """
