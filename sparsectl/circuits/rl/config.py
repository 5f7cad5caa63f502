"""Settings of a motor policy's training by reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sparsectl.checks import whole
from sparsectl.policies.rl import config
from sparsectl.policies.rl.config import DDPGConfig, PPOConfig, TD3Config


@dataclass(frozen=True)
class RLConfig(config.RLConfig):
    """Training by reinforcement learning: the algorithm, its length and its evaluations."""

    kind: Literal["rl"] = field(default="rl", kw_only=True)
    """Name of this way of training."""
    algorithm: PPOConfig | TD3Config | DDPGConfig = field(default_factory=PPOConfig)
    """Algorithm and its settings."""
    episode_steps: int | None = None
    """Length of an episode; none: the environment's own."""
    workers: int = 1
    """Physics threads."""
    seed: int = 0
    """Seed of initial weights, start states and exploration."""

    def __post_init__(self) -> None:
        config.RLConfig.__post_init__(self)
        whole(self, "rl", "[1, inf)", "workers", "episode_steps")
        whole(self, "rl", "[0, inf)", "seed")
