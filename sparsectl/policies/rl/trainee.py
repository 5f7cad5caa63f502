"""What training by reinforcement learning needs to know of a policy and where it acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sparsectl.policies.rl.curve import Row
from sparsectl.policies.rl.networks import Actor

Policy = TypeVar("Policy")


class Trainee(ABC, Generic[Policy]):
    """A policy to be trained, its environments, and how it is judged.

    Attributes:
        length: steps of an episode.
        scale: factor on rewards besides the algorithm's own.
        first_steps: environment steps that were made before training.
        fingerprint: what must be the same for a training to be continued.
    """

    seed: int
    length: int
    actor: Actor
    scale: float = 1.0
    first_steps: int = 0
    fingerprint: Mapping[str, Any]

    @abstractmethod
    def environments(self, count: int, episodes: int, scale: float) -> VecEnv:
        """Copies of the environment, of which `rounds` tells how many episodes they began.

        Args:
            episodes: rounds of episodes that were played before.
        """

    @abstractmethod
    def policy(self, actor: Actor) -> Policy:
        """The policy as trained so far, a copy."""

    @abstractmethod
    def judge(self, policy: Policy, episodes: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Returns of evaluation episodes (E,), and further columns of the curve's row."""

    @abstractmethod
    def publish(self, policy: Policy, folder: Path, rows: Sequence[Row]) -> None:
        """Write the policy of the last evaluation beside where training stands."""

    def close(self) -> None:
        """Give threads and memory back."""


def rounds(env: VecEnv) -> int:
    """Rounds of episodes that need not be played again when the run is continued."""
    return max(env.get_attr("begun"))
