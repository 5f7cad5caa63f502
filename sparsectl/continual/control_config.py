"""Settings of the closed loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sparsectl.checks import whole, within
from sparsectl.control import check
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
    stall_noise: float = 0.0
    """Noise on an action after one that did nothing of what was predicted, 1 being half the action
    box; 0: none. See `control.StallNoise`."""

    def __post_init__(self) -> None:
        whole(self, "control", "[1, inf)", "horizon", "steps", "episodes")
        within(self, "control", "[0, inf)", "stall_noise")
        check("control", self.controller, self.horizon)
