"""A ReLU network that learns by reinforcement to act on a configured task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sparsectl import environment, runs, seeding
from sparsectl.policies import checkpoint
from sparsectl.policies.network import NetworkConfig, NetworkPolicy, PolicyNetwork
from sparsectl.policies.rl import curve
from sparsectl.policies.rl.actors import NetworkActor, SquashedActor
from sparsectl.policies.rl.config import OffPolicyConfig, PolicyTraining, SACConfig
from sparsectl.policies.rl.episodes import Episodes
from sparsectl.policies.rl.networks import Actor
from sparsectl.policies.rl.task_env import TaskEnv, check_policy_task, open_env, read_by
from sparsectl.policies.rl.trainee import Trainee
from sparsectl.task import Task

MEASURED_STEPS = 500
"""Steps of random actions that rewards are measured in first; they count."""


class Whole:
    """What a network sees: the observation."""

    def space(self, box: Any) -> Any:
        """See `View`."""
        return type(box)(-np.inf, np.inf, box.shape, dtype=np.float64)

    def observed(self, observations: np.ndarray, step: int) -> np.ndarray:
        """See `View`."""
        return np.asarray(observations, np.float64)


class Learner(Trainee[PolicyNetwork]):
    """A policy network on a task.

    Rewards are divided by the standard deviation of those of random actions, so that learning
    does not depend on their unit.

    Args:
        path: where the policy goes; None: nowhere.
        steps: length of an episode; None: the environment's own.

    Raises:
        ConfigError: no limit on the length of an episode, or nothing to choose.
    """

    def __init__(
        self,
        env_id: str,
        env_kwargs: Mapping[str, Any],
        task: Task,
        config: PolicyTraining,
        *,
        seed: int = 0,
        path: Path | None = None,
        steps: int | None = None,
    ) -> None:
        check_policy_task(task)
        self.env_id, self.env_kwargs, self.task = env_id, dict(env_kwargs), task
        self.config, self.seed, self.path = config, seed, path
        self.length = environment.step_limit(env_id, env_kwargs, steps)
        lasting = {k: v for k, v in runs.canonical(config).items() if k != "seeds"}
        self.fingerprint = {
            "policy": lasting,
            "seed": seed,
            "env": {"id": env_id, "kwargs": runs.canonical(self.env_kwargs)},
            "code": environment.code(env_id, self.env_kwargs),
            "task": runs.canonical(task.config),
            "episode_steps": self.length,
        }
        soft = isinstance(config.algorithm, SACConfig)
        shape = NetworkConfig(config.hidden, output="tanh" if soft else "clip")
        network = PolicyNetwork(
            shape, task.map.observation_size, task.u_low, task.u_high,
            seed=seeding.integer(seed, "policy network"),
        )  # fmt: skip
        read = torch.from_numpy(read_by(task))
        clipped = isinstance(config.algorithm, OffPolicyConfig)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeding.integer(seed, "spread"))  # first weights of SAC's
            made = SquashedActor(network, read) if soft else NetworkActor(network, read, clipped)
        self.actor = made
        self.env = self._env()
        self.scale = self._measured()
        self.first_steps = MEASURED_STEPS

    def environments(self, count: int, episodes: int, scale: float) -> VecEnv:
        """See `Trainee`."""

        def one(index: int) -> Episodes:
            return Episodes(self._env(), Whole(), index, count, self.seed, episodes, scale)

        return DummyVecEnv([partial(one, i) for i in range(count)])  # type: ignore[list-item]

    def policy(self, actor: Actor) -> PolicyNetwork:
        """See `Trainee`."""
        assert isinstance(actor, NetworkActor)
        return actor.policy()

    def judge(self, policy: PolicyNetwork, episodes: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Returns of the environment's own rewards (E,); `costs` (mean of an episode's steps),
        `errors` (at its end), `successes`, each by episode, and `eval_steps`."""
        act, env = NetworkPolicy(policy), self.env
        returns, told = np.full(episodes, np.nan), []
        for i, seed in enumerate(curve.evaluation_seeds(episodes)):
            seen, info = env.reset(seed=seed)
            total, costs, over = 0.0, [], False
            while not over and np.isfinite(seen).all():
                seen, _, terminated, truncated, info = env.apply(act(seen))
                total += float(info["reward"])
                costs.append(info["cost"])
                over = terminated or truncated
            if over and np.isfinite(seen).all():
                returns[i] = total
            success = info.get("is_success")
            told.append(
                {
                    "costs": _known(np.mean(costs)) if costs else None,
                    "errors": _known(env.error(info)) if np.isfinite(seen).all() else None,
                    "successes": None if success is None else bool(success),
                    "eval_steps": len(costs),
                }
            )
        facts: dict[str, Any] = {k: [t[k] for t in told] for k in told[0]}
        return returns, {**facts, "eval_steps": sum(facts["eval_steps"])}

    def publish(self, policy: PolicyNetwork, folder: Path, rows: Sequence[curve.Row]) -> None:
        """See `Trainee`; the curve is part of the checkpoint's meta data."""
        if self.path is None:
            return
        judged = [r for r in rows if r["return_mean"] is not None] or list(rows[:1])
        config = self.config
        meta = {
            "env_id": self.env_id,
            "env_kwargs": self.env_kwargs,
            "made_by": f"{config.algorithm.kind} on the {_reward(config)}",
            "seed": self.seed,
            "env_steps": judged[-1]["steps"],
            "cpu_seconds": judged[-1]["cpu_seconds"],
            "curve": judged,
        }
        checkpoint.save(policy, self.path, meta)

    def close(self) -> None:
        """See `Trainee`."""
        self.env.close()

    def _env(self) -> TaskEnv:
        return open_env(self.env_id, self.env_kwargs, self.task, self.length, self._by_cost)

    @property
    def _by_cost(self) -> bool:
        return self.config.reward == "cost"

    def _measured(self) -> float:
        """One over the standard deviation of the rewards of random actions."""
        draw = seeding.generator(self.seed, "measured")
        rewards: list[float] = []
        with self._env() as env:
            over = True
            for _ in range(MEASURED_STEPS):
                if over:
                    env.reset(seed=curve.TRAINING_SEED + int(draw.integers(curve.TRAINING_SEED)))
                _, reward, terminated, truncated, _ = env.step(draw.uniform(-1, 1, self.task.nu))
                rewards.append(float(reward))
                over = terminated or truncated
        spread = float(np.std(rewards))
        return 1.0 / spread if np.isfinite(spread) and spread > 1e-9 else 1.0


def _reward(config: PolicyTraining) -> str:
    return "task's cost" if config.reward == "cost" else "environment's reward"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
