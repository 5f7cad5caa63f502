"""Settings of training on what the model's own plans meet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class OnlineConfig:
    """Rounds of playing with the present model and training on with what came of it.

    A planner looks for the errors of its model: the best plan under the model is, more often than
    a random one, one that the model is wrong about. Data of such plans are what a model that was
    trained on other data lacks (DAgger: Ross et al. 2011; for planners: Talvitie 2014).
    """

    rounds: int = 0
    """Rounds; 0: train on collected data only."""
    episodes: int = 200
    """Episodes that a round plays. Their seeds are none of an evaluation's."""
    steps: int | None = None
    """Length of these episodes, which also end when the task is solved; none: as evaluation's."""
    controller: dict[str, Any] = field(
        default_factory=lambda: {"kind": "cem", "samples": 128, "iterations": 8}
    )
    """Who plays: an entry as in `controllers`, with its `kind`. It has as much time as its own
    settings say, so that a round repeats exactly where they count iterations or nodes."""
    exploration: float = 0.1
    """Largest noise on actions: in every decision Gaussian noise of a standard deviation between 0
    and this is added, 1 being half the action box."""
    repeat: int = 1
    """How often a transition of these episodes counts in training, against 1 of collected ones."""
    train_steps: int = 2_000
    """Gradient steps after every round, from the weights of the round before, on all data."""
    learning_rate: float | None = None
    """Peak learning rate of these; none: that of `train`."""

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise ConfigError(f"online: rounds is {self.rounds}, expected 0 or more")
        for name in ("episodes", "repeat", "train_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"online: {name} is {getattr(self, name)}, expected at least 1")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"online: steps is {self.steps}, expected at least 1")
        if not 0 <= self.exploration < math.inf:
            raise ConfigError(f"online: exploration is {self.exploration}, expected at least 0")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"online: learning_rate is {self.learning_rate}, expected above 0")
        if "kind" not in self.controller:
            raise ConfigError("online: controller needs a `kind`, for example `{kind: cem}`")
