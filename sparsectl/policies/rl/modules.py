"""Policies of Stable-Baselines3 whose actor is one of ours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, create_mlp
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn

from sparsectl.policies.rl.networks import Actor, CriticInput, RunningNormaliser


@dataclass(frozen=True, eq=False)
class Parts:
    """What both kinds of policy are made of.

    Attributes:
        states: numbers of its state in an observation.
        normaliser: of observations; None: raw.
        std: standard deviation of the actions at the start (PPO).
    """

    actor: Actor
    states: int
    normaliser: RunningNormaliser | None
    actor_rate: float
    critic_rate: float
    std: float = 0.1
    learn_std: bool = False

    def critic_input(self) -> CriticInput:
        """First layer of a critic."""
        return CriticInput(self.actor.size, self.states, self.normaliser)


class _Heads(nn.Module):
    """The mean of the actions, and the critic up to its last layer."""

    def __init__(self, parts: Parts, hidden: list[int]) -> None:
        super().__init__()
        self.actor, given = parts.actor, parts.critic_input()
        self.critic = nn.Sequential(given, *create_mlp(given.width, -1, hidden, nn.Tanh))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        return self.actor(observation), self.critic(observation)

    def forward_actor(self, observation: Tensor) -> Tensor:
        return self.actor(observation)

    def forward_critic(self, observation: Tensor) -> Tensor:
        return self.critic(observation)


class StochasticPolicy(ActorCriticPolicy):
    """Gaussian around our policy's action; a tanh critic. Observations stay in float64."""

    mlp_extractor: _Heads  # type: ignore[assignment]

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        lr_schedule: Any,
        *,
        parts: Parts,
        critic: tuple[int, ...],
        use_sde: bool = False,
    ) -> None:
        self._parts, self._hidden = parts, list(critic)
        super().__init__(observation_space, action_space, lr_schedule, use_sde=use_sde)

    def _build(self, lr_schedule: Any) -> None:
        parts, hidden = self._parts, self._hidden
        self.mlp_extractor = _Heads(parts, hidden)
        self.action_net, self.value_net = nn.Identity(), nn.Linear(hidden[-1], 1)
        self.mlp_extractor.critic.apply(lambda m: self.init_weights(m, math.sqrt(2)))
        self.init_weights(self.value_net, 1.0)
        start = torch.full(self.action_space.shape or (), math.log(parts.std))
        self.log_std = nn.Parameter(start, requires_grad=parts.learn_std)
        actor = [*self.mlp_extractor.actor.parameters(), self.log_std]
        critic = [*self.mlp_extractor.critic.parameters(), *self.value_net.parameters()]
        self.optimizer = torch.optim.Adam(
            [
                {"params": actor, "lr": parts.actor_rate},
                {"params": critic, "lr": parts.critic_rate},
            ],
            eps=1e-5,
        )

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """The observation as it is."""
        return obs

    def get_distribution(self, obs: Any) -> Any:
        """Distribution of the actions at observations (N, no + ns)."""
        return self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(obs))

    def predict_values(self, obs: Any) -> Tensor:
        """Values (N, 1) of observations (N, no + ns)."""
        return self.value_net(self.mlp_extractor.forward_critic(obs))


class _CriticFeatures(BaseFeaturesExtractor):
    def __init__(self, observation_space: spaces.Space, parts: Parts) -> None:
        given = parts.critic_input()
        super().__init__(observation_space, given.width)
        self.given = given

    def forward(self, observations: Tensor) -> Tensor:
        return self.given(observations)


class _Replayed(BasePolicy):
    """Our policy as the actor, and ReLU critics on replayed transitions."""

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Box,
        lr_schedule: Any,
        *,
        parts: Parts,
        critic: tuple[int, ...],
        n_critics: int,
        use_sde: bool = False,
    ) -> None:
        self._parts = parts
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            net_arch={"pi": [], "qf": list(critic)},
            features_extractor_class=_CriticFeatures,
            features_extractor_kwargs={"parts": parts},
            n_critics=n_critics,
        )

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)  # type: ignore[misc]
        for network, rate in (
            (self.actor, self._parts.actor_rate),
            (self.critic, self._parts.critic_rate),
        ):
            for group in network.optimizer.param_groups:  # type: ignore[union-attr]
                group["lr"] = rate

    def make_actor(self, features_extractor: Any = None) -> Any:
        """A copy of our policy; the algorithm's targets are another."""
        return self._parts.actor.twin()


class DeterministicPolicy(_Replayed, TD3Policy):  # type: ignore[misc]
    """For TD3 or DDPG."""


class SquashedPolicy(_Replayed, SACPolicy):  # type: ignore[misc]
    """For SAC; the actor has `action_log_prob`, see `SquashedActor`."""
