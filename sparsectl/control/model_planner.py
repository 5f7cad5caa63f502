"""What planners that search in the torch model share."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from sparsectl.control.base import Controller
from sparsectl.control.objective import frozen
from sparsectl.dynamics.base import Dynamics
from sparsectl.program import Programs
from sparsectl.task import Task

Config = TypeVar("Config")


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
