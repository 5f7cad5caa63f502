"""Environments for Stable-Baselines3: stepped together, observations with the policy's clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sparsectl.circuits.rl.clock import Clock
from sparsectl.circuits.rollout.batch import Batch, open_batch
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.policies.rl.curve import training_seeds
from sparsectl.policies.rl.episodes import Episodes, finite


def vector(
    spec: EnvSpec,
    count: int,
    steps: int,
    clock: Clock,
    *,
    seed: int = 0,
    episodes: int = 0,
    scale: float = 1.0,
    workers: int = 1,
) -> VecEnv:
    """Copies of an environment: its own batch where it offers one, else one after another.

    Args:
        clock: states to append to the observations.
        seed: episode k of the run starts from `training_seeds(seed, k, count)`.
        episodes: episodes that were started earlier in the run.

    Raises:
        ConfigError, MissingExtra: from opening the environment.
    """
    with open_env(spec) as env:
        box, actions = env.observation_space, env.action_space
        offered = getattr(env.unwrapped, "batch", None) is not None
    assert isinstance(box, spaces.Box)
    assert isinstance(actions, spaces.Box)
    if offered:
        batch = open_batch(spec, count, steps, workers)
        return BatchVector(batch, count, box, actions, steps, clock, seed, episodes, scale)

    def one(index: int) -> gym.Env:
        return Episodes(open_env(spec, steps), clock, index, count, seed, episodes, scale)

    return DummyVecEnv([lambda i=i: one(i) for i in range(count)])  # type: ignore[misc]


class BatchVector(VecEnv):
    """Vector environment over batched physics; all episodes start and end together.

    The infos of a last step carry what Stable-Baselines3 needs to bootstrap a value:
    `terminal_observation` and `TimeLimit.truncated`. An environment whose simulation blew up
    gives no reward until its episode ends, and that end is not a truncation.

    Args:
        episodes: rounds of episodes that were started earlier in the run.
    """

    def __init__(
        self,
        batch: Batch,
        count: int,
        observations: spaces.Box,
        actions: spaces.Box,
        steps: int,
        clock: Clock,
        seed: int = 0,
        episodes: int = 0,
        scale: float = 1.0,
    ) -> None:
        super().__init__(count, clock.space(observations), actions)
        self.batch, self.steps, self.clock, self.scale = batch, steps, clock, scale
        self.seed_of_run, self.episodes, self.begun, self.diverged = seed, episodes, episodes, 0
        self._step = 0

    def reset(self) -> np.ndarray:
        """Start the next episode in every copy. Shape (count, no + ns)."""
        seeds = training_seeds(self.seed_of_run, self.episodes, self.num_envs)
        self.episodes += 1
        self._step = 0
        return self.clock.observed(self.batch.reset(seeds), 0)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions (count, nu) for `step_wait`."""
        self._actions = np.asarray(actions, np.float64)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Observations (count, no + ns), scaled rewards, ends of episodes, and infos.

        Raises:
            NonFiniteError: an observation or reward is a NaN or infinity.
        """
        observations, rewards = self.batch.step(self._actions)
        finite(observations, rewards)
        self._step += 1
        self.begun = self.episodes
        observations = self.clock.observed(observations, self._step)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = self._step >= self.steps
        if ended:
            self.diverged += int(self.batch.diverged.sum())
            for i, info in enumerate(infos):
                info["terminal_observation"] = observations[i].copy()
                info["TimeLimit.truncated"] = not self.batch.diverged[i]
            observations = self.reset()
        return observations, rewards * self.scale, np.full(self.num_envs, ended), infos

    def close(self) -> None:
        """Give threads and memory back."""
        self.batch.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute, the same for every copy."""
        value = None if attr_name == "render_mode" else getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: copies of a batch have no attributes of their own."""
        raise NotImplementedError("copies of a batch have no attributes of their own")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kw: Any) -> list[Any]:
        """Refused: copies of a batch have no methods of their own."""
        raise NotImplementedError("copies of a batch have no methods of their own")

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Any = None) -> list[bool]:
        """No copy of a batch is wrapped."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A batch draws no images."""
        return [None] * self.num_envs
