"""Copies of an environment that step together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from mujoco import mjtWarning

from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.circuits.rollout.swimmer_batch import SwimmerBatch, is_swimmer

_BAD = [int(getattr(mjtWarning, f"mjWARN_BAD{name}")) for name in ("QPOS", "QVEL", "QACC")]


class Batch(Protocol):
    """N copies of an environment.

    Attributes:
        ended: whether each copy's episode is over before its last step (N,).
    """

    ended: np.ndarray

    @property
    def diverged(self) -> np.ndarray:
        """Whether each copy's simulation has blown up since the reset (N,)."""

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Observations (N, no)."""

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Observations (N, no) and rewards (N,), of actions (N, nu) in [-1, 1]."""

    def close(self) -> None:
        """Give threads and memory back."""


def open_batch(spec: EnvSpec, count: int, steps: int, workers: int = 1) -> Batch:
    """The environment's own batch where it offers one, ours of Swimmer-v5, or single copies.

    Args:
        workers: threads; single copies are stepped one after another whatever it is.

    Raises:
        ConfigError, MissingExtra: as `open_env`.
    """
    env = open_env(spec)
    if is_swimmer(env):
        return SwimmerBatch(env, count, workers)
    offered = getattr(env.unwrapped, "batch", None)
    env.close()
    if offered is not None:
        return _Offered(offered(count, workers), count)
    return Copies(spec, count, steps)


class _Offered:
    """An environment's own batch, which never ends an episode early."""

    def __init__(self, batch: Batch, count: int) -> None:
        self._batch, self.ended = batch, np.zeros(count, bool)
        self.reset, self.step, self.close = batch.reset, batch.step, batch.close

    @property
    def diverged(self) -> np.ndarray:
        return self._batch.diverged


class Copies:
    """Single environments, one after another; those whose episode is over stand still."""

    def __init__(self, spec: EnvSpec, count: int, steps: int) -> None:
        self._envs = [open_env(spec, steps) for _ in range(count)]
        self._type = self._envs[0].action_space.dtype
        self._lost, self.ended = np.zeros(count, bool), np.zeros(count, bool)
        self._warned = self._warnings()

    @property
    def diverged(self) -> np.ndarray:
        """MuJoCo resets a simulation that blew up and only counts a warning."""
        return self._lost | (self._warnings() > self._warned)

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        self._lost[:], self.ended[:] = False, False
        starts = [env.reset(seed=int(s))[0] for env, s in zip(self._envs, seeds, strict=True)]
        self._warned = self._warnings()
        self._observations = np.array(starts, np.float64)
        return self._observations.copy()

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rewards = np.zeros(len(self._envs))
        actions = actions.astype(self._type)
        for i in np.flatnonzero(~self.ended):
            observation, reward, terminated, truncated, _ = self._envs[i].step(actions[i])
            rewards[i] = float(reward)
            if np.isfinite(observation).all() and np.isfinite(rewards[i]):
                self._observations[i] = observation
                self.ended[i] = terminated or truncated
            else:
                self._lost[i], self.ended[i], rewards[i] = True, True, 0.0
        return self._observations.copy(), rewards

    def close(self) -> None:
        for env in self._envs:
            env.close()

    def _warnings(self) -> np.ndarray:
        """Number of MuJoCo's warnings of a bad state, 0 where there is no simulation (N,)."""
        data = [getattr(env.unwrapped, "data", None) for env in self._envs]
        return np.array([sum(int(d.warning[k].number) for k in _BAD) if d else 0 for d in data])
