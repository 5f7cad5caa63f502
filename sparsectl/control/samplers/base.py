"""What planners that search in the torch model share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from sparsectl.checks import choices, whole
from sparsectl.control.base import Controller, ControllerState
from sparsectl.control.candidates import candidates
from sparsectl.control.config import ControllerConfig, Setup
from sparsectl.control.samplers import geodesic
from sparsectl.control.samplers.levels import LevelsConfig
from sparsectl.task import Problem
from sparsectl.types import Plan

if TYPE_CHECKING:
    from torch import Tensor

    from sparsectl.control.samplers.objective import Incumbent, Objective

Config = TypeVar("Config", bound=ControllerConfig)


@dataclass(frozen=True)
class IteratedConfig(ControllerConfig):
    """Settings of planners that draw plans in iterations."""

    samples: int = 256
    """Plans per iteration; `levels.factor` times as many where entries have levels."""
    iterations: int | None = None
    """Iterations per decision; None: until the deadline (20 without one)."""
    levels: LevelsConfig = field(default_factory=LevelsConfig)
    """Of the search where entries have levels or are semicontinuous."""
    cost_to_go: Literal["straight", "geodesic"] = "straight"
    """`geodesic`: while searching, the terminal distance of the planar point that keep-outs are
    about is that of the shortest way round them. The plan's cost stays the task's."""

    takes_starts = True

    def __post_init__(self) -> None:
        whole(self, self.kind, "[4, inf)", "samples")
        whole(self, self.kind, "[1, inf)", "iterations")
        choices(self, self.kind)


@dataclass(frozen=True)
class Decision:
    """What is searched for a plan, and with what.

    Attributes:
        problem, state, deadline: see `Controller.solve`.
        objective: of the problem; plans are in the unit box.
        first: plans to try first, the best guess last. Shape (k, decisions, nu).
        given: how many plans the caller gave; they are the last of `first`.
    """

    problem: Problem
    state: ControllerState
    deadline: float | None
    objective: Objective
    best: Incumbent
    first: Tensor
    given: int


class Sampler(Controller, Generic[Config]):
    """A planner with a copy of the model: the best plan that it evaluates.

    Attributes:
        gradients: whether the search differentiates.
    """

    takes_starts = True
    gradients: ClassVar[bool] = False

    def __init__(self, setup: Setup, config: Config) -> None:
        from sparsectl.control.samplers.objective import frozen

        super().__init__(setup)
        self.config = config
        self.dynamics = frozen(setup.dynamics, setup.device)
        self._geodesic = getattr(config, "cost_to_go", "straight") == "geodesic"
        if self._geodesic:
            geodesic.check(setup.task, setup.name)

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """Best plan evaluated; `HEURISTIC`, or `FAILED` when every rollout is non-finite."""
        import torch

        from sparsectl.control.samplers.objective import Incumbent, Objective

        self.program.at(problem)  # kept for the answer: a graph's program takes its time to make
        to_go = geodesic.cost_to_go(problem) if self._geodesic else None
        objective = Objective(self.dynamics, problem, to_go)
        best = Incumbent(objective)
        first = objective.unit(candidates(self.task, state, problem.horizon, starts))
        decision = Decision(problem, state, deadline, objective, best, first, len(starts))
        with torch.inference_mode(not self.gradients):
            info, memory = self.search(decision)
        return best.plan(self.program, problem, source=self.config.kind, info=info), memory

    @abstractmethod
    def search(self, decision: Decision) -> tuple[dict[str, Any], Any]:
        """Offer plans to `decision.best` until the deadline; returns `Plan.info` and memory."""
