"""Settings of fitting a value network."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsectl.checks import whole, within
from sparsectl.policies.fit_config import FitConfig


@dataclass(frozen=True)
class ValueConfig:
    """A network that says what a state is worth: what a planner that looks far ahead pays from it.

    The planner minimises the task's terms with the same weight at every step; `terminal_weight`
    and an earlier value are left out. It plans once at states of the collected data, and plays
    episodes with noise on its actions.
    """

    controller: str | None = None
    """Who plans: a name under `controllers`."""
    model: str | None = None
    """What that plans with; see `imitate.model`."""
    horizon: int = 12
    """Steps that it looks ahead."""
    states: int = 1500
    """States of the collected data at which it plans."""
    episodes: int = 16
    """Episodes that it plays, planning at every step."""
    exploration: float = 0.4
    """Largest noise on its actions there; see `online.exploration`."""
    hidden: tuple[int, ...] = (32,)
    """ReLUs of every hidden layer. In the last one, those that raise the cost need no binary."""
    near: float = 0.1
    """Errors count relative to a state's worth plus this share of the mean worth."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(learning_rate=1e-2))
    """Training."""
    seed: int = 0
    """Seed of states, episodes, weights and batches."""

    def __post_init__(self) -> None:
        whole(self, "value", "[1, inf)", "horizon", "states", "hidden")
        whole(self, "value", "[0, inf)", "episodes", "seed")
        within(self, "value", "[0, inf)", "exploration")
        within(self, "value", "(0, inf)", "near")
