"""Settings of the closed loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sparsectl.control import check
from sparsectl.errors import ConfigError
from sparsectl.task import TaskConfig

Measure = Literal["return", "error_reduction"]
"""What an episode is judged by: its return, or how much smaller its error (`info["error"]`) is at
the end than at the start. A share that is kept needs a measure that is 0 where nothing is done."""


@dataclass(frozen=True)
class ControlConfig:
    """How the bodies of a dynamics stream are controlled."""

    task: TaskConfig = field(default_factory=TaskConfig)
    """What to do. The state must be the stream's, in the same order."""
    controller: dict[str, Any] = field(default_factory=lambda: {"kind": "mppi"})
    """Any planner with a model, as in an experiment's `controllers`."""
    horizon: int = 15
    """Steps that are planned ahead."""
    steps: int = 100
    """Of an episode."""
    episodes: int = 3
    """Of each body and network. All networks start from the same states."""
    measure: Measure = "return"
    """What is compared: see `Measure`."""

    def __post_init__(self) -> None:
        for name in ("horizon", "steps", "episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"control: {name} is {getattr(self, name)}, expected at least 1")
        check("control", self.controller, self.horizon)
