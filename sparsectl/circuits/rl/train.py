"""Training of a motor policy by reinforcement learning."""

from __future__ import annotations

from pathlib import Path

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.rl.config import RLConfig
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.policies.rl.progress import TrainResult
from sparsectl.policies.rl.train import train


def train_rl(
    policy: MotorPolicy,
    spec: EnvSpec,
    config: RLConfig,
    folder: str | Path | None = None,
    *,
    force: bool = False,
    progress: bool | None = None,
) -> TrainResult[MotorPolicy]:
    """Train a motor policy as the actor of PPO, TD3 or DDPG; `policy` itself is not changed.

    The actor reads the policy's phase from the observation, so a learned period stays at its
    initial value; everything else learns. MLPs see observations normalised by running
    statistics, which end up in the policy's own `mean` and `scale`; circuits see raw ones.

    Args:
        policy: `Circuit` or `MLPPolicy`, whose parameters are the first actor's.
        config, folder, force, progress: see `policies.rl.train.train`.

    Raises:
        ConfigError: a policy with nothing to learn or of another body.
        ConfigError, FileError, CheckpointError, MissingExtra: see `policies.rl.train.train`.
    """

    def made():  # type: ignore[no-untyped-def]
        from sparsectl.circuits.rl.motor import Motor

        return Motor(policy, spec, config)

    return train(made, config, folder, force=force, progress=progress)
