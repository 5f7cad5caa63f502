"""Settings of training by reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from sparsectl.checks import different_seeds, whole, within
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class PPOConfig:
    """Proximal policy optimisation (Schulman et al. 2017) with separate actor and critic."""

    kind: Literal["ppo"] = "ppo"
    """Name of the algorithm."""
    envs: int = 4
    """Environments stepped together."""
    segment: int = 1000
    """Steps per environment between updates; whole episodes make resumption exact."""
    epochs: int = 10
    """Passes over a segment per update; the divergence limit stops the actor's earlier."""
    batch_size: int | None = 100
    """Samples per gradient step; none: the whole segment."""
    actor_rate: float | None = None
    """Learning rate of the actor; none: 0.0003 for an MLP, 0.001 for a circuit."""
    critic_rate: float = 1e-3
    """Learning rate of the critic."""
    clip: float = 0.2
    """Limit of the probability ratio's distance from 1."""
    divergence: float | None = 0.015
    """Kullback-Leibler divergence at which the actor's update stops; none: never."""
    entropy: float = 0.0
    """Weight of the entropy bonus."""
    discount: float = 0.99
    """Discount factor per step."""
    reward_scale: float = 0.1
    """Factor on the rewards that the critic sees."""
    trace: float = 0.95
    """Lambda of the generalised advantage estimate."""
    gradient_limit: float | None = None
    """Largest gradient norm of actor and critic together; none: unlimited."""
    std: float | None = None
    """Standard deviation of the actions at the start; none: 0.1 for a circuit, 0.6 for an MLP."""
    learn_std: bool | None = None
    """Whether that deviation is learned; none: for an MLP only."""
    critic: tuple[int, ...] = (64, 64)
    """Hidden layers of the critic (tanh)."""

    def __post_init__(self) -> None:
        whole(self, "ppo", "[1, inf)", "envs", "epochs", "batch_size", "critic")
        whole(self, "ppo", "[2, inf)", "segment")
        rates = ("actor_rate", "critic_rate", "divergence", "gradient_limit", "reward_scale")
        within(self, "ppo", "(0, inf)", *rates, "clip", "std")
        within(self, "ppo", "[0, 1)", "discount", "trace")
        within(self, "ppo", "[0, inf)", "entropy")
        _layers(self)


@dataclass(frozen=True)
class OffPolicyConfig:
    """What the algorithms with a deterministic actor and a replay buffer share."""

    envs: int = 5
    """Environments stepped together."""
    buffer_size: int = 1_000_000
    """Transitions kept for replay."""
    random_steps: int | None = None
    """First environment steps, taken with uniform random actions; none: 4000 for an MLP, 0 for
    a circuit, which moves well from the start."""
    learning_starts: int = 2_000
    """Environment steps before the first update."""
    update_every: int = 50
    """Environment steps between updates, over all environments."""
    updates: int = 50
    """Gradient steps at each of them."""
    batch_size: int = 100
    """Transitions per gradient step."""
    actor_rate: float | None = None
    """Learning rate of the actor; none: 0.001 for an MLP, 0.0001 for a circuit, whose few weights
    are lost to the first errors of the critics at the MLP's rate."""
    critic_rate: float = 1e-3
    """Learning rate of the critics."""
    discount: float = 0.99
    """Discount factor per step."""
    reward_scale: float = 0.1
    """Factor on the rewards that the critics see."""
    target_rate: float = 0.005
    """Share of the new weights in the target networks at each update."""
    noise: float = 0.1
    """Standard deviation of the exploration noise on the actions."""
    critic: tuple[int, ...] = (256, 256)
    """Hidden layers of each critic (ReLU)."""
    critics: int = 1
    """Critics; the smallest of their values is the target (two: Fujimoto et al. 2018)."""
    policy_delay: int = 1
    """Critic updates per actor update."""
    target_noise: float = 0.0
    """Standard deviation of the noise on the target's actions."""
    target_noise_limit: float = 0.5
    """Largest magnitude of that noise."""

    def __post_init__(self) -> None:
        where = getattr(self, "kind", "off-policy")
        counts = ("envs", "buffer_size", "update_every", "updates", "batch_size", "critics")
        whole(self, where, "[1, inf)", *counts, "policy_delay", "critic")
        whole(self, where, "[0, inf)", "random_steps", "learning_starts")
        within(self, where, "[0, inf)", "noise", "target_noise")
        rates = ("actor_rate", "critic_rate", "target_noise_limit", "reward_scale")
        within(self, where, "(0, inf)", *rates)
        within(self, where, "(0, 1]", "target_rate")
        within(self, where, "[0, 1)", "discount")
        _layers(self)
        if self.update_every % self.envs:
            raise ConfigError(
                f"update_every must be a multiple of envs, got {self.update_every} and "
                f"{self.envs}: environments are stepped together"
            )
        if self.buffer_size < self.batch_size:
            raise ConfigError(
                f"buffer_size must hold a batch of {self.batch_size}, got {self.buffer_size}"
            )


@dataclass(frozen=True)
class DDPGConfig(OffPolicyConfig):
    """Deep deterministic policy gradients (Lillicrap et al. 2016)."""

    kind: Literal["ddpg"] = "ddpg"
    """Name of the algorithm."""


@dataclass(frozen=True)
class TD3Config(OffPolicyConfig):
    """Twin delayed DDPG (Fujimoto et al. 2018)."""

    kind: Literal["td3"] = "td3"
    """Name of the algorithm."""
    critics: int = 2
    """Critics; the smallest of their values is the target."""
    policy_delay: int = 2
    """Critic updates per actor update."""
    target_noise: float = 0.2
    """Standard deviation of the noise on the target's actions."""


@dataclass(frozen=True)
class SACConfig(OffPolicyConfig):
    """Soft actor-critic (Haarnoja et al. 2018), whose entropy weight is learned.

    Its actions go through tanh, so such a policy is no ReLU program.
    """

    kind: Literal["sac"] = "sac"
    """Name of the algorithm."""
    critics: int = 2
    """Critics; the smallest of their values is the target."""


@dataclass(frozen=True)
class RLConfig:
    """What every training by reinforcement learning says."""

    algorithm: PPOConfig | TD3Config | DDPGConfig | SACConfig = field(default_factory=PPOConfig)
    """Algorithm and its settings, by `kind`."""
    steps: int = 500_000
    """Environment steps, over all environments together."""
    eval_every: int = 20_000
    """Environment steps between evaluations and checkpoints, rounded up to a whole update."""
    eval_episodes: int = 5
    """Episodes of an evaluation, the same start states each time."""
    normalise: bool = True
    """Give MLPs and critics observations of zero mean and unit variance, by running statistics."""

    where: ClassVar[str] = "rl"
    """What messages call it."""

    def __post_init__(self) -> None:
        whole(self, self.where, "[1, inf)", "steps", "eval_every", "eval_episodes")


@dataclass(frozen=True)
class PolicyTraining(RLConfig):
    """A ReLU network that learns by reinforcement what to do on the experiment's task."""

    algorithm: PPOConfig | TD3Config | DDPGConfig | SACConfig = field(default_factory=TD3Config)
    """Algorithm and its settings, by `kind`."""
    reward: Literal["environment", "cost"] = "environment"
    """What is learned from: the environment's reward, or minus the task's cost of every step that
    was made, as if it were a whole plan: terminal weights and the prices of constraints count."""
    hidden: tuple[int, ...] = (64, 64)
    """ReLUs of every hidden layer."""
    steps: int = 50_000
    """Environment steps, over all environments together."""
    eval_every: int = 5_000
    """Environment steps between evaluations and checkpoints, rounded up to a whole update."""
    eval_episodes: int = 10
    """Episodes of an evaluation: those that a comparison begins with. They are not learned from
    and nothing is chosen by them; their steps are told apart."""
    seeds: tuple[int, ...] = (0,)
    """One training each: initial weights, start states and exploration follow from it. With
    several, the policy of seed s is in `policy_<s>`."""

    where: ClassVar[str] = "policy"

    def __post_init__(self) -> None:
        RLConfig.__post_init__(self)
        whole(self, "policy", "[1, inf)", "hidden")
        different_seeds(self.seeds, "policy: ")


def _layers(config: PPOConfig | OffPolicyConfig) -> None:
    if not config.critic:
        raise ConfigError("critic is empty, expected at least one hidden layer, for example [64]")
