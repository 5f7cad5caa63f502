"""What the planar MuJoCo tasks share: reset, step, exact state, pictures, collection."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box

from .check import checked_action, checked_choice, checked_picture, checked_state
from .collection import Explorer, collect
from .rendering import Painter
from .simulator import Simulator

_FULL = mujoco.mjtState.mjSTATE_INTEGRATION


class PlanarTask(gymnasium.Env[np.ndarray, np.ndarray]):
    """A pusher, gripper or plate that is moved among things on a table.

    Args:
        simulator: the scene and what one control step is.
        observation_size: size of the flat observation, all in metres.
        goal_size: size of the vector that stands for an episode's goal.
        render_mode: `rgb_array` or None.
        width: of pictures [pixels].
        height: of pictures [pixels].
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        simulator: Simulator,
        observation_size: int,
        goal_size: int,
        render_mode: str | None,
        width: int,
        height: int,
    ) -> None:
        checked_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        checked_picture(width, height)
        self.render_mode = render_mode
        self.observation_space = Box(-1.0, 1.0, (observation_size,), np.float64)
        self.action_space = Box(-1.0, 1.0, (simulator.action_size,), np.float32)
        self.simulator = simulator
        self._model = simulator.model
        self._data = mujoco.MjData(self._model)
        self._painter = Painter(self._model, width, height)
        self._goal_size = goal_size
        self._goal: np.ndarray | None = None

    # What a task defines. All but `draw_episode` work on any leading axes.

    @abstractmethod
    def draw_episode(self, rng: np.random.Generator) -> np.ndarray:
        """Everything that is random about one episode, as a vector of fixed size."""

    @abstractmethod
    def begin(self, drawn: np.ndarray, workers: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """First qpos (N, nq) and goals (N, ng) of drawn episodes (N, k)."""

    @abstractmethod
    def observe(self, qpos: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Observations (..., no) of qpos (..., nq) and goals (..., ng)."""

    @abstractmethod
    def distance(self, observations: np.ndarray) -> np.ndarray:
        """Task error [m], shape (...), of observations (..., no)."""

    @abstractmethod
    def explorer(self, rngs: list[np.random.Generator], steps: int) -> Explorer:
        """A collecting policy for as many episodes as there are generators."""

    @abstractmethod
    def report(self, qpos: np.ndarray, goal: np.ndarray, error: float) -> dict[str, Any]:
        """The info dictionary: `is_success`, `error` and what else the task measures."""

    @abstractmethod
    def decorate(self, scene: mujoco.MjvScene, goal: np.ndarray) -> None:
        """Add the goal to a picture."""

    # Gymnasium

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a start and a goal. `options` are ignored."""
        super().reset(seed=seed)
        qpos, goal = self.begin(self.draw_episode(self.np_random)[None])
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:] = qpos[0]
        self._goal = goal[0]
        return self._outcome()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Displace the pusher. Actions beyond [-1, 1] are clipped.

        Raises:
            TaskError: the action has another shape or is not finite.
        """
        if self._goal is None:
            raise ResetNeeded("call reset() or set_state() before step()")
        self.simulator.advance(self._data, checked_action(action, self.simulator.action_size))
        observation, info = self._outcome()
        return observation, -info["error"], False, False, info

    def render(self) -> np.ndarray | None:
        """Picture from above, shape (height, width, 3), uint8; None without a render mode.

        Raises:
            RenderError: no OpenGL platform can be loaded.
        """
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode='rgb_array' at make()")
            return None
        if self._goal is None:
            raise ResetNeeded("call reset() or set_state() before render()")
        goal = self._goal
        shown = mujoco.MjData(self._model)
        shown.qpos[:] = self._data.qpos
        return self._painter.draw(shown, lambda scene: self.decorate(scene, goal))

    def close(self) -> None:
        """Free the renderer."""
        self._painter.close()

    # Beyond gymnasium

    def get_state(self) -> np.ndarray:
        """MuJoCo's full integration state and the goal, as one vector."""
        if self._goal is None:
            raise ResetNeeded("call reset() before get_state()")
        physics = np.empty(mujoco.mj_stateSize(self._model, _FULL))
        mujoco.mj_getState(self._model, self._data, physics, _FULL)
        return np.concatenate([physics, self._goal])

    def set_state(self, state: np.ndarray) -> np.ndarray:
        """Continue exactly where `get_state` was called; returns the observation.

        Raises:
            TaskError: the state has another size or is not finite.
        """
        size = mujoco.mj_stateSize(self._model, _FULL)
        state = checked_state(state, size + self._goal_size)
        mujoco.mj_setState(self._model, self._data, state[:size], _FULL)
        self._goal = state[size:].copy()
        return self._outcome()[0]

    def collect_episodes(
        self, episodes: int, steps: int, seed: int, workers: int = 1
    ) -> dict[str, np.ndarray]:
        """Contact-seeking episodes, many at once; this environment's own episode is untouched.

        Episode i starts as `reset(seed=seeds[i])` does. Actions are the executed ones: where the
        workspace's edge cuts a displacement, so is the action.

        Args:
            episodes: E.
            steps: T, in every episode; nothing terminates earlier.
            seed: of the whole collection.
            workers: threads; the result does not depend on them.

        Returns:
            `observations` (E, T+1, no), `actions` (E, T, nu), `rewards` (E, T), `seeds` (E,).
        """
        return collect(self, self.simulator, episodes, steps, seed, workers)

    def _outcome(self) -> tuple[np.ndarray, dict[str, Any]]:
        assert self._goal is not None
        qpos = self._data.qpos.copy()
        observation = self.observe(qpos, self._goal)
        return observation, self.report(qpos, self._goal, float(self.distance(observation)))
