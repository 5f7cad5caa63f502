"""Control steps of many copies of a planar task at once, on `mujoco.rollout`."""

from __future__ import annotations

import mujoco
import mujoco.rollout
import numpy as np

from .simulator import Simulator


class Lockstep:
    """Context in which `step` advances N copies. The result does not depend on `workers`."""

    def __init__(self, simulator: Simulator, workers: int = 1) -> None:
        self.simulator = simulator
        self._data = [mujoco.MjData(simulator.model) for _ in range(max(1, workers))]
        self._pool = mujoco.rollout.Rollout(nthread=workers if workers > 1 else 0)

    def __enter__(self) -> Lockstep:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def step(self, qpos: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Next qpos. Shape (N, nq), of qpos (N, nq) and actions (N, nu)."""
        model = self.simulator.model
        start, control = self.simulator.drive(qpos, actions)
        state = np.zeros((len(qpos), 1 + model.nq + model.nv))
        state[:, 1 : 1 + model.nq] = start
        states, _ = self._pool.rollout(model, self._data, state, control)
        return states[:, -1, 1 : 1 + model.nq].copy()

    def run(self, qpos: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """All qpos of open-loop motions. Shape (N, T + 1, nq), of actions (N, T, nu)."""
        states = [qpos]
        for t in range(actions.shape[1]):
            states.append(self.step(states[-1], actions[:, t]))
        return np.stack(states, axis=1)
