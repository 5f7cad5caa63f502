"""What planners that search in the torch model share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from torch import Tensor

from sparsectl.control.base import Controller, ControllerState
from sparsectl.control.samplers.objective import Incumbent, Objective, candidates, frozen
from sparsectl.dynamics.base import Dynamics
from sparsectl.program import Programs
from sparsectl.task import Problem, Task
from sparsectl.types import Plan

Config = TypeVar("Config")


@dataclass(frozen=True)
class Decision:
    """What is searched for a plan, and with what.

    Attributes:
        problem, state, deadline: see `Controller.solve`.
        objective: of the problem; plans are in the unit box.
        best: the best plan so far.
        first: plans to try first, the best guess last. Shape (k, H, nu).
        given: how many plans the caller gave; they are the last of `first`.
    """

    problem: Problem
    state: ControllerState
    deadline: float | None
    objective: Objective
    best: Incumbent
    first: Tensor
    given: int


class ModelPlanner(Controller, Generic[Config]):
    """A planner with settings, a float32 copy of the model and the exact program.

    Args:
        name: short name, used in tables.
        task: resolved task.
        program: the model lowered, for the exact cost of the answer.
        dynamics: the model; copied, never modified.
        horizon: planned steps H.
        config: settings; None: the defaults.
        device: "auto", "cpu" or another torch device.
    """

    settings: ClassVar[type]
    source: ClassVar[str]

    def __init__(
        self,
        name: str,
        task: Task,
        program: Programs,
        dynamics: Dynamics,
        horizon: int,
        config: Config | None = None,
        device: str = "auto",
    ) -> None:
        self.name, self.task, self.horizon = name, task, horizon
        self.program = program
        self.config: Config = config or self.settings()
        self.dynamics = frozen(dynamics, device)

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """Best plan evaluated; `HEURISTIC`, or `FAILED` when every rollout is non-finite."""
        return self.improve(problem, state, deadline, ())

    def improve(
        self,
        problem: Problem,
        state: ControllerState,
        deadline: float | None,
        plans: Sequence[np.ndarray],
    ) -> Plan:
        """As `solve`, starting also from given plans: never worse than any of them.

        Args:
            problem, state, deadline: see `Controller.solve`.
            plans: action sequences, each of shape (H, nu), the best guess last.
        """
        self.program.at(problem)  # kept for the answer: a graph's program takes its time to make
        objective = Objective(self.dynamics, problem)
        best = Incumbent(objective)
        first = objective.unit(candidates(self.task, state, problem.horizon, plans))
        decision = Decision(problem, state, deadline, objective, best, first, len(plans))
        info = self.search(decision)
        return best.plan(self.program, problem, source=self.source, info=info)

    @abstractmethod
    def search(self, decision: Decision) -> dict[str, Any]:
        """Offer plans to `decision.best` until the deadline; returns `Plan.info`."""
