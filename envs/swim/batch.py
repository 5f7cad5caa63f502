"""Many swimmers at once, on `mujoco.rollout`."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import mujoco.rollout
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils.seeding import np_random

from ..base import LARGEST
from ..check import checked_count, checked_states
from ..errors import TaskError
from . import kinematics
from .scene import SUBSTEPS
from .task import SwimTask


class Batch:
    """N copies of a task that are stepped together; a context manager.

    Copy i does what the single environment does after `reset(seed=seeds[i])`. Numbers do not
    depend on N or on the threads. Nothing terminates and no copy resets itself.

    Args:
        count: N.
        workers: threads of the simulation.
    """

    def __init__(self, task: SwimTask, count: int, workers: int = 1) -> None:
        self.task = task
        self.count = checked_count("count", count)
        self.workers = checked_count("workers", workers)
        model = task.model
        self._model = [model] * count
        self._data = [mujoco.MjData(model) for _ in range(workers)]
        self._pool = mujoco.rollout.Rollout(nthread=workers if workers > 1 else 0)
        # time, qpos, qvel; zeros where a copy has diverged
        self._state = np.zeros((count, 1 + model.nq + model.nv))
        self._states = np.empty((count, SUBSTEPS, self._state.shape[1]))
        self._control = np.zeros((count, SUBSTEPS, model.nu))
        self._sensors = np.empty((count, SUBSTEPS, 0))
        self._episode = np.empty((count, task.extras))
        self._time = np.zeros(count)
        self._ready = False
        self._seen = np.empty((count, task.size))
        self.diverged = np.zeros(count, dtype=bool)
        """Copies whose simulation or action was not finite: they stay where they were sound,
        and their reward is 0. Shape (N,)."""

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads; the batch cannot be used afterwards."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None  # type: ignore[assignment]

    @property
    def positions(self) -> np.ndarray:
        """Where the heads' centres are. Shape (N, 2) [m]."""
        return kinematics.head(self._qpos)

    @property
    def errors(self) -> np.ndarray:
        """Task errors, as `info["error"]`. Shape (N,)."""
        return self.task.error(self._seen)

    @property
    def successes(self) -> np.ndarray:
        """As `info["is_success"]`. Shape (N,), bool."""
        return self.task.success(self._seen) & ~self.diverged

    def reset(self, seeds: Sequence[int] | np.ndarray) -> np.ndarray:
        """Begin N episodes; equal seeds begin equally.

        Args:
            seeds: N whole numbers of at least 0.

        Returns:
            Observations. Shape (N, no).

        Raises:
            TaskError: there are not N seeds, or one is not a seed.
        """
        self._open()
        if len(seeds) != self.count:
            raise TaskError(f"{len(seeds)} seeds are given, expected one for each of {self.count}")
        numbers = [checked_count("a seed", s, 0) for s in seeds]
        drawn = {s: self.task.draw(np_random(s)[0]) for s in set(numbers)}
        self._state[:] = 0.0
        self._qpos[:] = [drawn[s][0] for s in numbers]
        self._episode[:] = [drawn[s][1] for s in numbers]
        self.diverged[:] = False
        self._time[:], self._ready = 0.0, True
        return self._observe()

    def get_states(self) -> np.ndarray:
        """States of all copies, each as `get_state()` of the single environment gives it.

        Raises:
            ResetNeeded: before `reset`.
        """
        self._begun()
        own = [self._time[:, None], self.diverged[:, None]]
        return np.concatenate([self._state[:, 1:], self._episode, *own], axis=-1)

    def set_states(self, states: np.ndarray) -> np.ndarray:
        """Continue where states were saved, here or by the single environment's `get_state()`.

        Args:
            states: Shape (N, size of a state).

        Returns:
            Observations. Shape (N, no).

        Raises:
            TaskError: the states have another shape or are not finite.
        """
        self._open()
        moving = self._state.shape[1] - 1
        size = moving + self.task.extras + 2
        states = checked_states(states, (self.count, size))
        self._state[:, 1:], self._episode[:] = states[:, :moving], states[:, moving:-2]
        self._time[:], self.diverged[:] = states[:, -2], states[:, -1] != 0.0
        self._ready = True
        return self._observe()

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One control step of every copy.

        Args:
            actions: beyond [-1, 1] they are clipped. Shape (N, nu).

        Returns:
            Observations (N, no) and rewards (N,).

        Raises:
            TaskError: the actions have another shape.
            ResetNeeded: before `reset`.
        """
        self._begun()
        actions = np.asarray(actions, dtype=np.float64)
        if actions.shape != (self.count, self.task.joints):
            expected = (self.count, self.task.joints)
            raise TaskError(f"actions have shape {actions.shape}, expected {expected}")
        actions = np.clip(actions, -1.0, 1.0)
        self.diverged |= ~np.isfinite(actions).all(-1)
        self._control[:] = np.where(self.diverged[:, None], 0.0, actions)[:, None]
        self._advance()
        self._time += 1.0
        observation = self._observe()
        return observation, np.where(self.diverged, 0.0, self.task.reward(observation))

    def _advance(self) -> None:
        self._pool.rollout(
            self._model,
            self._data,
            self._state,
            self._control,
            skip_checks=True,
            nstep=SUBSTEPS,
            state=self._states,
            sensordata=self._sensors,
        )
        last = self._states[:, -1]
        # as a comparison with a number that is not finite is false
        sound = (np.abs(last) < LARGEST).all(-1) & ~self.diverged
        if sound.all():
            self._state[:, 1:] = last[:, 1:]
        else:
            self.diverged = ~sound
            self._state[sound, 1:] = last[sound, 1:]

    @property
    def _qpos(self) -> np.ndarray:
        return self._state[:, 1 : 1 + self.task.model.nq]

    @property
    def _qvel(self) -> np.ndarray:
        return self._state[:, 1 + self.task.model.nq :]

    def _observe(self) -> np.ndarray:
        self._seen = self.task.observe(self._qpos, self._qvel, self._episode, self._time)
        return self._seen.copy()

    def _begun(self) -> None:
        self._open()
        if not self._ready:
            raise ResetNeeded("call reset(seeds) or set_states(states) of the batch first")

    def _open(self) -> None:
        if self._pool is None:
            raise TaskError("the batch is closed; make another one with batch(count, workers)")
