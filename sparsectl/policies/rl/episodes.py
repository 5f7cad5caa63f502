"""Copies of an environment for Stable-Baselines3, each with start states of its own."""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sparsectl.errors import NonFiniteError
from sparsectl.policies.rl.curve import training_seeds


class View(Protocol):
    """What a learner sees of observations."""

    def space(self, box: spaces.Box) -> spaces.Box:
        """Space of what it sees."""

    def observed(self, observations: np.ndarray, step: int) -> np.ndarray:
        """What it sees of observations (..., no) at a step of the episode."""


class Episodes(gym.Wrapper):
    """One of several copies: start states of its own, its view, scaled and finite numbers."""

    def __init__(
        self,
        env: gym.Env,
        view: View,
        index: int,
        count: int,
        seed: int,
        episodes: int,
        scale: float,
    ) -> None:
        super().__init__(env)
        assert isinstance(env.observation_space, spaces.Box)
        self.observation_space = view.space(env.observation_space)
        self.view, self.index, self.count, self.seed_of_run = view, index, count, seed
        self.episodes, self.scale, self.begun, self._step = episodes, scale, episodes, 0

    def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Start the next episode of the run, whatever seed the caller gives."""
        seeds = training_seeds(self.seed_of_run, self.episodes, self.count)
        self.episodes += 1
        self._step = 0
        observation, info = self.env.reset(seed=seeds[self.index])
        return self.view.observed(observation, 0), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """A step.

        Raises:
            NonFiniteError: an observation or reward is a NaN or infinity.
        """
        observation, given, terminated, truncated, info = self.env.step(action)
        self.begun, reward = self.episodes, float(given)
        self._step += 1
        finite(observation, reward)
        shown = self.view.observed(observation, self._step)
        return shown, reward * self.scale, terminated, truncated, dict(info)


def finite(*values: np.ndarray | float) -> None:
    """Refuse a NaN or infinity.

    Raises:
        NonFiniteError: there is one.
    """
    if not all(np.isfinite(v).all() for v in values):
        raise NonFiniteError("the environment returned a non-finite observation or reward")
