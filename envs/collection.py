"""Collection of many episodes in lockstep."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from gymnasium.utils.seeding import np_random

from .check import checked_count
from .lockstep import Lockstep
from .simulator import Simulator

BLOCK = 256
"""Episodes stepped together: fixed, so that results do not depend on how many are asked for."""


class Explorer(Protocol):
    """A policy for N episodes at once."""

    def __call__(self, t: int, qpos: np.ndarray) -> np.ndarray:
        """Actions (N, nu) of control step t, from qpos (N, nq)."""
        ...


class Task(Protocol):
    """What collection needs of a task; see `base.PlanarTask`."""

    def draw_episode(self, rng: np.random.Generator) -> np.ndarray: ...
    def begin(self, drawn: np.ndarray, workers: int = 1) -> tuple[np.ndarray, np.ndarray]: ...
    def observe(self, qpos: np.ndarray, goal: np.ndarray) -> np.ndarray: ...
    def distance(self, observations: np.ndarray) -> np.ndarray: ...
    def explorer(self, rngs: list[np.random.Generator], steps: int) -> Explorer: ...


def collect(
    task: Task, simulator: Simulator, episodes: int, steps: int, seed: int, workers: int
) -> dict[str, np.ndarray]:
    """Episodes of `task`; see `PlanarTask.collect_episodes`."""
    seeds = episode_seeds(seed, episodes, steps, workers)
    with Lockstep(simulator, workers) as lockstep:
        blocks = [
            _block(task, lockstep, seeds[i : i + BLOCK], steps, workers)
            for i in range(0, episodes, BLOCK)
        ]
    observations, actions = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return {
        "observations": observations,
        "actions": actions.astype(np.float32),
        "rewards": -task.distance(observations[:, 1:]),
        "seeds": seeds,
    }


def episode_seeds(seed: int, episodes: int, steps: int, workers: int) -> np.ndarray:
    """Seeds of a collection's episodes. Shape (E,), int64; more episodes only append to them.

    Raises:
        TaskError: an argument of the collection has a wrong type or value.
    """
    checked_count("episodes", episodes)
    checked_count("steps", steps)
    checked_count("workers", workers)
    checked_count("seed", seed, 0)
    return np.random.SeedSequence(int(seed)).generate_state(episodes).astype(np.int64)


def _block(
    task: Task, lockstep: Lockstep, seeds: np.ndarray, steps: int, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    drawn = np.stack([task.draw_episode(np_random(int(s))[0]) for s in seeds])
    qpos, goal = task.begin(drawn, workers)
    # a second stream, so that exploration does not shift what reset draws
    explorer = task.explorer([np.random.default_rng([int(s), 1]) for s in seeds], steps)
    states, actions = [qpos], []
    for t in range(steps):
        action = lockstep.simulator.executable(qpos, explorer(t, qpos))
        # float32 as the action space has it, so that replaying the data is exact
        action = action.astype(np.float32).astype(np.float64)
        actions.append(action)
        qpos = lockstep.step(qpos, action)
        states.append(qpos)
    observations = task.observe(np.stack(states, axis=1), goal[:, None])
    return observations, np.stack(actions, axis=1)
