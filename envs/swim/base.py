"""What the tasks of swimmers share: reset, step, exact state, pictures, batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box

from ..check import checked_action, checked_choice, checked_picture, checked_state
from ..rendering import Painter
from .batch import LARGEST, Batch
from .collection import collect
from .picture import draw_body
from .scene import CONTROL_SECONDS, SUBSTEPS
from .task import SwimTask


class Swimming(gymnasium.Env[np.ndarray, np.ndarray]):
    """What the tasks of swimmers share; `env` and `target` describe them.

    Args:
        links: number of links, 3 to 32.
        density: of the fluid [kg/m^3], up to 1e4.
        viscosity: of the fluid [Pa s], up to 10.
        lost_sensors: joints whose angle reads 0.
        sensor_noise: standard deviation of observed angles [rad].
        render_mode: `rgb_array` or None.
        width: of pictures [pixels].
        height: of pictures [pixels].

    Raises:
        TaskError: an argument has a wrong type or value.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 33}  # noqa: RUF012

    def __init__(
        self,
        links: int = 6,
        density: float = 3000.0,
        viscosity: float = 0.0,
        lost_sensors: Sequence[int] = (),
        sensor_noise: float = 0.0,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
    ) -> None:
        task = self._task(links, density, viscosity, lost_sensors, sensor_noise)
        checked_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        checked_picture(width, height)
        self.render_mode = render_mode
        self.task = task
        self.joints = task.joints
        """Number of joints."""
        self.angles = slice(0, task.joints)
        """Joint angles in the observation."""
        self.joint_limit = task.limit
        """Largest joint angle to both sides [rad]."""
        self.target = slice(task.joints, task.joints + 2) if task.seen else None
        """The target as the head sees it, in the observation [m]; None where there is none."""
        self.control_seconds = CONTROL_SECONDS
        """Length of a control step [s]."""
        bound = np.full(task.size, 1e3)
        self.observation_space = Box(-bound, bound, dtype=np.float64)
        self.action_space = Box(-1.0, 1.0, (task.joints,), np.float32)
        self._model = task.model
        self._data = mujoco.MjData(self._model)
        self._painter = Painter(self._model, width, height)
        self._episode: np.ndarray | None = None
        self._time, self._diverged = 0, False

    def _task(self, *shared: Any) -> SwimTask:
        """What is observed and paid for, of the arguments that tasks share."""
        return SwimTask(*shared)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a start. `options` are ignored."""
        super().reset(seed=seed)
        qpos, self._episode = self.task.draw(self.np_random)
        self._put(qpos, np.zeros(self._model.nv))
        self._time, self._diverged = 0, False
        observation = self._observe()
        return observation, self._info(observation)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Turn the joints. Actions beyond [-1, 1] are clipped.

        Raises:
            TaskError: the action has another shape or is not finite.
        """
        if self._episode is None:
            raise ResetNeeded("call reset() or set_state() before step()")
        self._advance(np.clip(checked_action(action, self.joints), -1.0, 1.0))
        self._time += 1
        observation = self._observe()
        reward = 0.0 if self._diverged else float(self.task.reward(observation))
        return observation, reward, False, False, self._info(observation)

    def render(self) -> np.ndarray | None:
        """Picture from above, shape (height, width, 3), uint8; None without a render mode.

        The camera follows the head.

        Raises:
            RenderError: no OpenGL platform can be loaded.
        """
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode='rgb_array' at make()")
            return None
        if self._episode is None:
            raise ResetNeeded("call reset() or set_state() before render()")
        shown = mujoco.MjData(self._model)
        shown.qpos[:] = self._data.qpos
        return self._painter.draw(shown, self._decorate)

    def close(self) -> None:
        """Free the renderer."""
        self._painter.close()

    def get_state(self) -> np.ndarray:
        """Position, velocity, the episode's vector, steps since its start, whether it diverged."""
        if self._episode is None:
            raise ResetNeeded("call reset() before get_state()")
        own = [self._time, self._diverged]
        return np.concatenate([self._data.qpos, self._data.qvel, self._episode, own])

    def set_state(self, state: np.ndarray) -> np.ndarray:
        """Continue exactly where `get_state` was called; returns the observation.

        Raises:
            TaskError: the state has another size or is not finite.
        """
        nq = self._model.nq
        state = checked_state(state, 2 * nq + self.task.extras + 2)
        self._put(state[:nq], state[nq : 2 * nq])
        self._episode = state[2 * nq : -2].copy()
        self._time, self._diverged = int(state[-2]), bool(state[-1])
        return self._observe()

    def batch(self, count: int, workers: int = 1) -> Batch:
        """Copies of this task that are stepped together; this one's own episode is untouched.

        Args:
            count: how many.
            workers: threads; the result does not depend on them.
        """
        return Batch(self.task, count, workers)

    def collect_episodes(
        self, episodes: int, steps: int, seed: int, workers: int = 1
    ) -> dict[str, np.ndarray]:
        """Episodes of waves along the body, with noise; this one's own episode is untouched.

        Episode i starts as `reset(seed=seeds[i])` does.

        Args:
            episodes: E.
            steps: T, in every episode.
            seed: of the whole collection.
            workers: threads; the result does not depend on them.

        Returns:
            `observations` (E, T+1, no), `actions` (E, T, J), `rewards` (E, T), `seeds` (E,), and
            `diverged` (E,), bool: episodes that stay where they were sound from some step on.
        """
        return collect(self.task, episodes, steps, seed, workers)

    def _put(self, qpos: np.ndarray, qvel: np.ndarray) -> None:
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:], self._data.qvel[:] = qpos, qvel

    def _advance(self, torque: np.ndarray) -> None:
        """One control step in place, unless it diverges."""
        if self._diverged:
            return
        data = self._data
        qpos, qvel = data.qpos.copy(), data.qvel.copy()
        data.ctrl[:] = torque
        data.qacc_warmstart[:] = 0.0  # so that position and velocity are the whole state
        mujoco.mj_step(self._model, data, SUBSTEPS)
        moved = np.concatenate([data.qpos, data.qvel])
        if not (np.abs(moved) < LARGEST).all():
            self._diverged = True
            self._put(qpos, qvel)

    def _observe(self) -> np.ndarray:
        assert self._episode is not None
        return self.task.observe(self._data.qpos, self._data.qvel, self._episode, self._time)

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        return {
            "is_success": bool(self.task.success(observation)) and not self._diverged,
            "error": float(self.task.error(observation)),
            "speed": float(self.task.speed(observation)),
            "diverged": self._diverged,
        }

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        draw_body(scene, self._data.qpos)
