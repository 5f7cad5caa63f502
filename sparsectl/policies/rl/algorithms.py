"""Algorithms of Stable-Baselines3 with the details that its options do not cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch.nn.functional import mse_loss

from sparsectl import seeding
from sparsectl.policies.rl.config import OffPolicyConfig, PPOConfig, RLConfig, SACConfig
from sparsectl.policies.rl.modules import (
    DeterministicPolicy,
    Parts,
    SquashedPolicy,
    StochasticPolicy,
)
from sparsectl.policies.rl.networks import Actor, RunningNormaliser

CIRCUIT_STD, MLP_STD = 0.1, 0.6
ON_POLICY_RATES, OFF_POLICY_RATES = {"circuit": 1e-3, "mlp": 3e-4}, {"circuit": 1e-4, "mlp": 1e-3}
MLP_RANDOM_STEPS = 4_000


class OnPolicy(PPO):
    """PPO whose critic goes on learning after the divergence limit has stopped the actor.

    Statistics of the observations change between updates only, so that the probability ratios of
    an update are those of one policy.
    """

    parts: Parts

    def train(self) -> None:
        """One update of actor and critic from the present segment."""
        before = self._n_updates
        super().train()
        for _ in range(self.n_epochs - (self._n_updates - before)):
            for data in self.rollout_buffer.get(self.batch_size):
                loss = mse_loss(data.returns, self.policy.predict_values(data.observations)[:, 0])
                self.policy.optimizer.zero_grad()
                loss.backward()
                self.policy.optimizer.step()
        if self.parts.normaliser is not None:
            buffer = self.rollout_buffer.observations
            seen = torch.from_numpy(buffer.reshape(-1, buffer.shape[-1]))
            self.parts.normaliser.update(seen[:, : self.parts.actor.size])
            self.parts.actor.normalise(self.parts.normaliser)

    def actor_module(self) -> Actor:
        """The actor in training."""
        return self.parts.actor

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimisers by name."""
        return {"policy": self.policy.optimizer}

    def _update_learning_rate(self, optimizers: Any) -> None:
        """Actor and critic keep rates of their own."""


class _Replay(OffPolicyAlgorithm):
    """A number of random steps apart from the step of the first update; running statistics."""

    parts: Parts
    random_steps = 0
    actor: Actor
    critic: torch.nn.Module

    def actor_module(self) -> Actor:
        """The actor in training."""
        return self.actor

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimisers by name."""
        return {"actor": self.actor.optimizer, "critic": self.critic.optimizer}  # type: ignore[dict-item]

    def _sample_action(self, learning_starts: int, *args: Any, **kwargs: Any) -> Any:
        return super()._sample_action(self.random_steps, *args, **kwargs)

    def _store_transition(self, *args: Any, **kwargs: Any) -> None:
        if self.parts.normaliser is not None:
            seen = torch.from_numpy(np.asarray(self._last_obs))
            self.parts.normaliser.update(seen[:, : self.parts.actor.size])
            for name in ("actor", "actor_target"):
                if hasattr(self, name):
                    getattr(self, name).normalise(self.parts.normaliser)
        super()._store_transition(*args, **kwargs)

    def _update_learning_rate(self, optimizers: Any) -> None:
        """Actor and critic keep rates of their own."""


class OffPolicy(_Replay, TD3):  # type: ignore[misc]
    """TD3 (or DDPG)."""


class Soft(_Replay, SAC):  # type: ignore[misc]
    """SAC, whose entropy weight is learned."""

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimisers by name."""
        assert self.ent_coef_optimizer is not None
        return {**super().optimizers(), "entropy": self.ent_coef_optimizer}


Algorithm = OnPolicy | OffPolicy | Soft


def algorithm(config: RLConfig, actor: Actor, env: VecEnv, seed: int) -> Algorithm:
    """The configured algorithm around a policy.

    Args:
        actor: policy; off-policy algorithms train a copy of it.
        env: environments; observations have the policy's state at their end, if it has one.
    """
    chosen = config.algorithm
    model: Algorithm
    if isinstance(chosen, PPOConfig):
        model = _on_policy(config, chosen, actor, env, seed)
    else:
        model = _off_policy(config, chosen, actor, env, seed)
    model.set_logger(Logger(None, []))  # its own makes a folder of temporary files for each run
    return model


def _parts(config: RLConfig, actor: Actor, env: VecEnv, rate: float, **more: Any) -> Parts:
    space = env.observation_space
    assert space.shape is not None
    return Parts(
        actor,
        space.shape[0] - actor.size,
        RunningNormaliser(actor.size) if config.normalise else None,
        rate,
        config.algorithm.critic_rate,
        **more,
    )


def _shared(config: RLConfig, parts: Parts, seed: int) -> dict[str, Any]:
    return {
        "gamma": config.algorithm.discount,
        "policy_kwargs": {"parts": parts, "critic": config.algorithm.critic},
        "seed": seeding.integer(seed, "reinforcement"),
        "device": "cpu",
    }


def _on_policy(
    config: RLConfig, chosen: PPOConfig, actor: Actor, env: VecEnv, seed: int
) -> OnPolicy:
    plain = actor.plain
    parts = _parts(
        config,
        actor,
        env,
        chosen.actor_rate or ON_POLICY_RATES["mlp" if plain else "circuit"],
        std=chosen.std or (MLP_STD if plain else CIRCUIT_STD),
        learn_std=plain if chosen.learn_std is None else chosen.learn_std,
    )
    limit = float("inf") if chosen.gradient_limit is None else chosen.gradient_limit
    samples = chosen.segment * chosen.envs
    model = OnPolicy(
        StochasticPolicy,
        env,
        n_steps=chosen.segment,
        batch_size=min(chosen.batch_size or samples, samples),
        n_epochs=chosen.epochs,
        gae_lambda=chosen.trace,
        clip_range=chosen.clip,
        ent_coef=chosen.entropy,
        max_grad_norm=limit,
        # Stable-Baselines3 stops at one and a half times its limit.
        target_kl=None if chosen.divergence is None else chosen.divergence / 1.5,
        **_shared(config, parts, seed),
    )
    model.parts = parts
    model.policy.optimizer.register_step_post_hook(lambda *_: parts.actor.project())
    return model


def _off_policy(
    config: RLConfig, chosen: OffPolicyConfig, actor: Actor, env: VecEnv, seed: int
) -> OffPolicy | Soft:
    rate = chosen.actor_rate or OFF_POLICY_RATES["mlp" if actor.plain else "circuit"]
    parts = _parts(config, actor, env, rate)
    shared = _shared(config, parts, seed)
    shared["policy_kwargs"]["n_critics"] = chosen.critics
    shared |= {
        "buffer_size": min(chosen.buffer_size, config.steps),
        "learning_starts": chosen.learning_starts,
        "batch_size": chosen.batch_size,
        "tau": chosen.target_rate,
        "train_freq": chosen.update_every // chosen.envs,
        "gradient_steps": chosen.updates,
    }
    joints = env.action_space.shape
    assert joints is not None
    model: OffPolicy | Soft
    if isinstance(chosen, SACConfig):
        model = Soft(SquashedPolicy, env, **shared)
    else:
        model = OffPolicy(
            DeterministicPolicy,
            env,
            action_noise=NormalActionNoise(np.zeros(joints), np.full(joints, chosen.noise)),
            policy_delay=chosen.policy_delay,
            target_policy_noise=chosen.target_noise,
            target_noise_clip=chosen.target_noise_limit,
            **shared,
        )
    model.parts, model.random_steps = parts, chosen.random_steps or 0
    if chosen.random_steps is None and actor.plain:
        model.random_steps = MLP_RANDOM_STEPS
    trained = model.actor_module()
    trained.optimizer.register_step_post_hook(lambda *_: trained.project())  # type: ignore[union-attr, operator]
    return model


def reseed(model: BaseAlgorithm, seed: int) -> None:
    """Random numbers of exploration and batches are those of this point of the run."""
    model.set_random_seed(seeding.integer(seed, "exploration", model.num_timesteps))
