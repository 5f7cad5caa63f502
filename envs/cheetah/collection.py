"""Collection of many episodes of the half cheetah, each in one call of `mujoco.rollout`."""

from __future__ import annotations

from typing import Protocol

import mujoco
import mujoco.rollout
import numpy as np
from gymnasium.utils.seeding import np_random

from ..collection import episode_seeds
from .body import SUBSTEPS
from .exploration import actions_of

BLOCK = 64
"""Episodes simulated in one call; more only cost memory."""


class Task(Protocol):
    """What collection needs of the environment."""

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]: ...
    def observe(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray: ...
    def reward(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray: ...


def collect(
    task: Task, model: mujoco.MjModel, episodes: int, steps: int, seed: int, workers: int
) -> dict[str, np.ndarray]:
    """Episodes of `task`; see `HalfCheetahEnv.collect_episodes`."""
    seeds = episode_seeds(seed, episodes, steps, workers)
    data = [mujoco.MjData(model) for _ in range(max(1, workers))]
    with mujoco.rollout.Rollout(nthread=workers if workers > 1 else 0) as pool:
        blocks = [
            _block(task, model, data, pool, seeds[i : i + BLOCK], steps)
            for i in range(0, episodes, BLOCK)
        ]
    names = ("observations", "actions", "rewards", "diverged")
    parts = {n: np.concatenate(p) for n, p in zip(names, zip(*blocks, strict=True), strict=True)}
    return {**parts, "seeds": seeds}


def _block(
    task: Task,
    model: mujoco.MjModel,
    data: list[mujoco.MjData],
    pool: mujoco.rollout.Rollout,
    seeds: np.ndarray,
    steps: int,
) -> tuple[np.ndarray, ...]:
    starts, warm = _starts(task, model, seeds)
    # a second stream, so that exploration does not shift what reset draws
    actions = np.stack([actions_of(np.random.default_rng([int(s), 1]), steps) for s in seeds])
    states, _ = pool.rollout(
        model,
        data,
        starts,
        np.repeat(actions.astype(np.float64), SUBSTEPS, axis=1),
        initial_warmstart=warm,
    )
    states = np.concatenate([starts[:, None], states[:, SUBSTEPS - 1 :: SUBSTEPS]], axis=1)
    qpos, qvel = states[..., 1 : 1 + model.nq], states[..., 1 + model.nq :]
    observations = task.observe(qpos, qvel)
    # also where MuJoCo stopped: it repeats the last state, with a time that stands still
    sound = (np.abs(states) < 1e6).all(-1) & (np.diff(states[..., 0], axis=1, prepend=-1.0) > 0)
    sound = np.logical_and.accumulate(sound, axis=1)
    observations[~sound] = np.nan
    rewards = task.reward(qpos[..., 0], actions.astype(np.float64))
    return observations, actions, rewards, np.asarray(~sound.all(-1))


def _starts(task: Task, model: mujoco.MjModel, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First states (N, 1 + nq + nv) and warm starts (N, nv) of the constraint solver."""
    states = np.zeros((len(seeds), 1 + model.nq + model.nv))
    warm = np.empty((len(seeds), model.nv))
    scratch = mujoco.MjData(model)
    for i, own in enumerate(seeds):
        mujoco.mj_resetData(model, scratch)
        scratch.qpos[:], scratch.qvel[:] = task.draw(np_random(int(own))[0])
        mujoco.mj_forward(model, scratch)
        states[i, 1:] = np.concatenate([scratch.qpos, scratch.qvel])
        warm[i] = scratch.qacc_warmstart
    return states, warm
