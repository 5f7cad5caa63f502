"""Settings of training by reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
        _at_least(self, 1, "envs", "epochs", "batch_size")
        _at_least(self, 2, "segment")
        _positive(self, "actor_rate", "critic_rate", "clip", "divergence", "gradient_limit", "std")
        _positive(self, "reward_scale")
        _fraction(self, "discount", "trace")
        _layers(self, "critic")
        if self.entropy < 0:
            raise ConfigError(f"entropy must be at least 0, got {self.entropy}")


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
        _at_least(self, 1, "envs", "buffer_size", "update_every", "updates", "batch_size")
        _at_least(self, 1, "critics", "policy_delay")
        _at_least(self, 0, "random_steps", "learning_starts", "noise", "target_noise")
        _positive(self, "actor_rate", "critic_rate", "target_rate", "target_noise_limit")
        _positive(self, "reward_scale")
        _fraction(self, "discount")
        _layers(self, "critic")
        if self.target_rate > 1:
            raise ConfigError(f"target_rate must be at most 1, got {self.target_rate}")
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
class RLConfig:
    """Training by reinforcement learning: the algorithm, its length and its evaluations."""

    kind: Literal["rl"] = field(default="rl", kw_only=True)
    """Name of this way of training."""
    algorithm: PPOConfig | TD3Config | DDPGConfig = field(default_factory=PPOConfig)
    """Algorithm and its settings."""
    steps: int = 500_000
    """Environment steps, over all environments together."""
    episode_steps: int | None = None
    """Length of an episode; none: the environment's own."""
    eval_every: int = 20_000
    """Environment steps between evaluations and checkpoints, rounded up to a whole update."""
    eval_episodes: int = 5
    """Episodes of an evaluation, the same start states each time."""
    normalise: bool = True
    """Give MLPs and critics observations of zero mean and unit variance, by running statistics."""
    workers: int = 1
    """Physics threads."""
    seed: int = 0
    """Seed of initial weights, start states and exploration."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "steps", "eval_every", "eval_episodes", "workers")
        _at_least(self, 1, "episode_steps")
        _at_least(self, 0, "seed")


def _at_least(config: object, low: float, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= low:
            raise ConfigError(f"{name} must be at least {low}, got {value}")


def _positive(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"{name} must be above 0 and finite, got {value}")


def _fraction(config: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise ConfigError(f"{name} must be in [0, 1), got {getattr(config, name)}")


def _layers(config: object, name: str) -> None:
    sizes = getattr(config, name)
    if not sizes or any(size < 1 for size in sizes):
        raise ConfigError(f"{name} must name at least one layer of at least 1 unit, got {sizes}")
