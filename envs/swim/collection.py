"""Collection of many episodes of a swimmer in lockstep."""

from __future__ import annotations

import numpy as np

from ..collection import BLOCK, episode_seeds
from .batch import Batch
from .exploration import Waves
from .task import SwimTask


def collect(
    task: SwimTask, episodes: int, steps: int, seed: int, workers: int
) -> dict[str, np.ndarray]:
    """Episodes of `task`; see `Swimming.collect_episodes`."""
    seeds = episode_seeds(seed, episodes, steps, workers)
    blocks = [_block(task, seeds[i : i + BLOCK], steps, workers) for i in range(0, episodes, BLOCK)]
    observations, actions, rewards, diverged = (
        np.concatenate(p) for p in zip(*blocks, strict=True)
    )
    return {
        "observations": observations,
        "actions": actions,
        "rewards": rewards,
        "seeds": seeds,
        "diverged": diverged,
    }


def _block(task: SwimTask, seeds: np.ndarray, steps: int, workers: int) -> tuple[np.ndarray, ...]:
    # a second stream, so that exploration does not shift what reset draws
    waves = Waves([np.random.default_rng([int(s), 1]) for s in seeds], steps, task.joints)
    observations = np.empty((len(seeds), steps + 1, task.size))
    rewards = np.empty((len(seeds), steps))
    with Batch(task, len(seeds), workers) as batch:
        observations[:, 0] = batch.reset(seeds)
        for t in range(steps):
            observations[:, t + 1], rewards[:, t] = batch.step(waves.actions[:, t])
        diverged = batch.diverged.copy()
    return observations, waves.actions, rewards, diverged
