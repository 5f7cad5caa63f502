"""What the planar MuJoCo tasks share: a pusher among things on a table."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Unpack

import mujoco
import numpy as np
from gymnasium.utils.seeding import np_random

from .base import BundledTask, Picture, physics, set_physics
from .collection import Explorer
from .lockstep import Lockstep
from .simulator import Simulator


class PlanarTask(BundledTask):
    """A pusher, gripper or plate that is moved among things on a table.

    Args:
        simulator: the scene and what one control step is.
        observation_size: size of the flat observation, all in metres.
        goal_size: size of the vector that stands for an episode's goal.
    """

    def __init__(
        self,
        simulator: Simulator,
        observation_size: int,
        goal_size: int,
        **picture: Unpack[Picture],
    ) -> None:
        super().__init__(
            np.ones(observation_size), simulator.action_size, simulator.model, **picture
        )
        self.simulator = simulator
        self.control_seconds = simulator.seconds
        self._goal = np.zeros(goal_size)

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

    def collected(self) -> Simulator:
        """What data are collected on: the task's own scene."""
        return self.simulator

    # What `BundledTask` asks for

    def _begin(self, rng: np.random.Generator) -> None:
        qpos, goal = self.begin(self.draw_episode(rng)[None])
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:], self._goal = qpos[0], goal[0]

    def _advance(self, action: np.ndarray) -> None:
        self.simulator.advance(self._data, action)

    def _observe(self) -> np.ndarray:
        return self.observe(self._data.qpos.copy(), self._goal)

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        return self.report(self._data.qpos.copy(), self._goal, float(self.distance(observation)))

    def _saved(self) -> np.ndarray:
        return np.concatenate([physics(self._model, self._data), self._goal])

    def _restore(self, state: np.ndarray) -> None:
        size = len(state) - len(self._goal)
        set_physics(self._model, self._data, state[:size])
        self._goal = state[size:]

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        self.decorate(scene, self._goal)

    def _collect(self, seeds: np.ndarray, steps: int, workers: int) -> dict[str, np.ndarray]:
        """Contact-seeking episodes."""
        drawn = np.stack([self.draw_episode(np_random(int(s))[0]) for s in seeds])
        qpos, goal = self.begin(drawn, workers)
        # a second stream, so that exploration does not shift what reset draws
        explorer = self.explorer([np.random.default_rng([int(s), 1]) for s in seeds], steps)
        states, actions = [qpos], []
        with Lockstep(self.collected(), workers) as lockstep:
            for t in range(steps):
                action = lockstep.simulator.executable(qpos, explorer(t, qpos))
                # float32 as the action space has it, so that replaying the data is exact
                actions.append(action.astype(np.float32))
                qpos = lockstep.step(qpos, actions[-1].astype(np.float64))
                states.append(qpos)
        observations = self.observe(np.stack(states, axis=1), goal[:, None])
        return {
            "observations": observations,
            "actions": np.stack(actions, axis=1),
            "rewards": -self.distance(observations[:, 1:]),
        }
