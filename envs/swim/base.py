"""What the tasks of swimmers share."""

from __future__ import annotations

from typing import Any, Unpack

import mujoco
import numpy as np

from ..base import BundledTask, Picture, sound_step
from .batch import Batch
from .exploration import waves
from .picture import draw_body
from .scene import CONTROL_SECONDS, SUBSTEPS
from .task import SwimTask


class Swimming(BundledTask):
    """A swimmer; `env` and `target` describe the tasks.

    Attributes:
        angles: joint angles in the observation.
        joint_limit: largest joint angle to both sides [rad].
        target: the target as the head sees it, in the observation [m]; None where there is none.
        control_seconds: length of a control step [s].
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 33}  # noqa: RUF012

    def __init__(self, task: SwimTask, **picture: Unpack[Picture]) -> None:
        super().__init__(np.full(task.size, 1e3), task.joints, task.model, **picture)
        self.task = task
        self.joints, self.joint_limit = task.joints, task.limit
        self.angles = slice(0, task.joints)
        self.target = slice(task.joints, task.joints + 2) if task.seen else None
        self.control_seconds = CONTROL_SECONDS
        self._episode = np.zeros(task.extras)
        self._time, self._diverged = 0, False

    def batch(self, count: int, workers: int = 1) -> Batch:
        """Copies of this task that are stepped together; this one's own episode is untouched.

        Args:
            workers: threads; the result does not depend on them.
        """
        return Batch(self.task, count, workers)

    def _begin(self, rng: np.random.Generator) -> None:
        qpos, self._episode = self.task.draw(rng)
        super()._restore(np.concatenate([qpos, np.zeros(self._model.nv)]))
        self._time, self._diverged = 0, False

    def _advance(self, action: np.ndarray) -> None:
        self._data.qacc_warmstart[:] = 0.0  # so that position and velocity are the whole state
        if not self._diverged:
            self._diverged = not sound_step(self._model, self._data, action, SUBSTEPS)
        self._time += 1

    def _observe(self) -> np.ndarray:
        return self.task.observe(self._data.qpos, self._data.qvel, self._episode, self._time)

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        self._earned = 0.0 if self._diverged else float(self.task.reward(observation))
        return {
            "is_success": bool(self.task.success(observation)) and not self._diverged,
            "error": float(self.task.error(observation)),
            "speed": float(self.task.speed(observation)),
            "diverged": self._diverged,
        }

    def _reward(self, info: dict[str, Any]) -> float:
        return self._earned

    def _saved(self) -> np.ndarray:
        """Position, velocity, the episode's vector, steps since its start, whether it diverged."""
        return np.concatenate([super()._saved(), self._episode, [self._time, self._diverged]])

    def _restore(self, state: np.ndarray) -> None:
        physics, self._episode = np.split(state[:-2], [2 * self._model.nq])
        super()._restore(physics)
        self._time, self._diverged = int(state[-2]), bool(state[-1])

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        draw_body(scene, self._data.qpos)

    def _collect(self, seeds: np.ndarray, steps: int, workers: int) -> dict[str, np.ndarray]:
        """Waves along the body, with noise; what diverges stays where it was sound."""
        # a second stream, so that exploration does not shift what reset draws
        actions = waves([np.random.default_rng([int(s), 1]) for s in seeds], steps, self.joints)
        observations = np.empty((len(seeds), steps + 1, self.task.size))
        rewards = np.empty((len(seeds), steps))
        with self.batch(len(seeds), workers) as batch:
            observations[:, 0] = batch.reset(seeds)
            for t in range(steps):
                observations[:, t + 1], rewards[:, t] = batch.step(actions[:, t])
            diverged = batch.diverged.copy()
        return {
            "observations": observations,
            "actions": actions,
            "rewards": rewards,
            "diverged": diverged,
        }
