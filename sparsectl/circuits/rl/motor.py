"""A motor policy as what is trained by reinforcement learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sparsectl.circuits.fingerprint import fingerprint
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rl.clock import Clock
from sparsectl.circuits.rl.config import RLConfig
from sparsectl.circuits.rl.networks import MotorActor, clocked, learnable
from sparsectl.circuits.rl.vector import vector
from sparsectl.circuits.rollout.env_spec import EnvSpec, episode_steps, open_env
from sparsectl.circuits.rollout.returns import Rollouts
from sparsectl.errors import ConfigError
from sparsectl.policies.rl import curve, progress
from sparsectl.policies.rl.networks import Actor
from sparsectl.policies.rl.trainee import Trainee


class Motor(Trainee[MotorPolicy]):
    """A motor policy in the environment of its body.

    Args:
        policy: not changed.

    Raises:
        ConfigError: nothing to learn, or another body.
    """

    def __init__(self, policy: MotorPolicy, spec: EnvSpec, config: RLConfig) -> None:
        module = learnable(policy)
        size = _observation_size(spec, policy)
        self.spec, self.seed, self.workers = spec, config.seed, config.workers
        self.actor = MotorActor(module, size)
        self.clock = Clock(module, size, clocked(module))
        self.length = episode_steps(spec, config.episode_steps)
        self.fingerprint = fingerprint(policy, spec, replace(config, workers=1))
        self.rollouts = Rollouts(spec, self.length, config.workers)

    def environments(self, count: int, episodes: int, scale: float) -> VecEnv:
        """See `Trainee`."""
        return vector(
            self.spec, count, self.length, self.clock, seed=self.seed, episodes=episodes,
            scale=scale, workers=self.workers,
        )  # fmt: skip

    def policy(self, actor: Actor) -> MotorPolicy:
        """See `Trainee`."""
        assert isinstance(actor, MotorActor)
        return actor.policy()

    def judge(self, policy: MotorPolicy, episodes: int) -> tuple[np.ndarray, dict[str, Any]]:
        """See `Trainee`."""
        seeds = curve.evaluation_seeds(episodes)
        played = self.rollouts.returns(policy, flatten(policy).numpy()[None], seeds)
        return played.values[0], {}

    def publish(self, policy: MotorPolicy, folder: Path, rows: Sequence[curve.Row]) -> None:
        """See `Trainee`."""
        steps = next((r["steps"] for r in reversed(rows) if r["return_mean"] is not None), 0)
        meta = {"env_id": self.spec.id, "env_kwargs": dict(self.spec.kwargs), "steps": steps}
        checkpoint.save(policy, folder / progress.POLICY, meta)

    def close(self) -> None:
        """See `Trainee`."""
        self.rollouts.close()


def _observation_size(spec: EnvSpec, policy: MotorPolicy) -> int:
    """Numbers in an observation.

    Raises:
        ConfigError: the policy is for another body.
    """
    env = open_env(spec)
    (size,), (joints,) = env.observation_space.shape, env.action_space.shape  # type: ignore[misc]
    env.close()
    body = policy.body
    if (body.size, body.joints) != (size, joints):
        raise ConfigError(
            f"the policy is for {body.joints} joints and observations of size {body.size}, "
            f"'{spec.id}' has {joints} and {size}: make the policy for this environment's body"
        )
    return size
