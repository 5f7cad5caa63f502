"""A configured task as an environment to learn in: actions in [-1, 1], admitted by the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sparsectl import environment
from sparsectl.errors import ConfigError
from sparsectl.task import Task, step_cost


class TaskEnv(gym.Wrapper):
    """An environment in units of the task's action box.

    What is executed is the admissible action nearest to the given one. Entries of observations
    that are neither state nor goal are 0.

    Args:
        by_cost: the reward is minus the task's cost of the step, see `task.step_cost`.
    """

    env: environment.Checked

    def __init__(self, env: environment.Checked, task: Task, by_cost: bool) -> None:
        super().__init__(env)
        self.task, self.by_cost = task, by_cost
        self.action_space = spaces.Box(-1.0, 1.0, (task.nu,), dtype=np.float32)
        self._middle, self._half = (task.u_high + task.u_low) / 2, (task.u_high - task.u_low) / 2
        self._read = read_by(task)
        self._last: np.ndarray | None = None

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """First observation and info."""
        observation, info = self.env.reset(**options)
        self.seen, self._last, self._steps = observation, None, 0
        return self._shown(observation), info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step with an action in [-1, 1]. Shape (nu,)."""
        return self.apply(self._middle + self._half * np.asarray(action, np.float64))

    def apply(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step with an action in its own unit; Shape (nu,).

        Returns:
            As `step`; `info["cost"]` and `info["reward"]` are the task's and the environment's.
        """
        wish = self.task.admit(action, self._last)
        done = self.env.inside(wish).astype(self.env.action_space.dtype)
        before, step = self.seen, self._steps
        observation, reward, terminated, truncated, info = self.env.step(done)
        made = np.array(done, np.float64)
        self.seen, self._last, self._steps = observation, made, step + 1
        cost = step_cost(self.task, before, made, observation, step)
        told = {**info, "cost": cost, "reward": reward}
        if self.by_cost:
            reward = -cost
        return self._shown(observation), reward, terminated, truncated, told

    def error(self, info: Mapping[str, Any]) -> float:
        """Distance to the goal now, as comparisons tell it: `info["error"]`, else the cost."""
        told = info.get("error")
        if told is not None:
            return environment.scalar(told, "info['error']")
        return self.task.distance(self.seen, self._steps)

    def _shown(self, observation: np.ndarray) -> np.ndarray:
        return np.where(self._read, observation, 0.0)


def read_by(task: Task) -> np.ndarray:
    """Entries of the observation that are state or goal. Shape (observation_size,), bool."""
    read = np.zeros(task.map.observation_size, dtype=bool)
    read[task.map.used] = True
    return read


def open_env(
    env_id: str, env_kwargs: Mapping[str, Any], task: Task, steps: int, by_cost: bool = False
) -> TaskEnv:
    """The environment of a task with episodes of a length.

    Raises:
        ConfigError, MissingExtra: see `environment.make`.
    """
    env = environment.make(env_id, {**env_kwargs, "max_episode_steps": steps})
    return TaskEnv(env, task, by_cost)


def check_policy_task(task: Task) -> None:
    """Refuse what no memoryless policy can be trained on.

    Raises:
        ConfigError: naming what, and what to do.
    """
    if (task.u_low == task.u_high).any():
        i = int(np.argmax(task.u_low == task.u_high))
        raise ConfigError(
            f"task.action: entry {i} can only be {task.u_low[i]:g}: a policy needs a choice in "
            "every entry; widen task.action.low and task.action.high"
        )
