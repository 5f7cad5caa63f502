"""One control step of a planar task, for one copy or for many in lockstep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import mujoco
import numpy as np

STEP = 0.02
"""Displacement of the pusher in one control step at action 1, per axis [m]."""
WORKSPACE = 0.25
"""The pusher stays within +-WORKSPACE on both axes [m]."""
SUBSTEPS = 10
"""Simulation steps in one control step."""


class Simulator:
    """Moves a pusher by a commanded displacement while the rest of the table reacts.

    Velocities and the constraint solver's warm start are zero at the beginning of every control
    step. Motion on the table is quasi-static, so this changes little, and it makes `qpos` the
    whole state: a step is a function of `qpos` and the action, here and in `Lockstep` alike.

    Args:
        model: qpos begins with the pusher's x and y; its velocity servos are the two actuators.
    """

    action_size = 2

    def __init__(self, model: mujoco.MjModel, substeps: int = SUBSTEPS) -> None:
        self.model: Final = model
        self.seconds: Final = substeps * model.opt.timestep

    def executable(self, qpos: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The action with its displacement cut at the workspace's edge. Shape (..., 2)."""
        position = qpos[..., :2]
        target = position + STEP * np.clip(action, -1.0, 1.0)
        target = np.clip(target, -WORKSPACE, WORKSPACE)
        return np.clip((target - position) / STEP, -1.0, 1.0)

    def drive(self, qpos: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What N control steps are to MuJoCo.

        Args:
            qpos: Shape (N, nq).
            action: Shape (N, action_size).

        Returns:
            First qpos, shape (N, nq), and controls, shape (N, substeps, actuators).
        """
        control = self.executable(qpos, action) * (STEP / self.seconds)
        return qpos, np.repeat(control[:, None], SUBSTEPS, axis=1)

    def advance(
        self,
        data: mujoco.MjData,
        action: np.ndarray,
        watch: Callable[[mujoco.MjData], None] | None = None,
    ) -> None:
        """One control step in place, with an action of shape (action_size,).

        `watch` sees the data after every simulation step.
        """
        qpos, control = self.drive(data.qpos[None].copy(), action[None])
        data.qpos[:] = qpos[0]
        data.qvel[:] = 0.0
        data.qacc_warmstart[:] = 0.0
        for row in control[0]:
            data.ctrl[:] = row
            mujoco.mj_step(self.model, data)
            if watch is not None:
                watch(data)
