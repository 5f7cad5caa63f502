"""HalfCheetah: run on two legs in a plane, with bodies that can be changed.

Observation, Box(17,), float64:

| entries | meaning                                                                     |
|---------|-----------------------------------------------------------------------------|
| 0       | height of the torso above 0.7 m [m]                                         |
| 1       | angle of the torso [rad], not wrapped                                       |
| 2:8     | angles of hind thigh, shin, foot, front thigh, shin, foot [rad]             |
| 8, 9    | velocity of the torso, forward and up [m/s]                                 |
| 10      | its angular velocity [rad/s]                                                |
| 11:17   | angular velocities of the joints [rad/s]                                    |

Action, Box(-1, 1, (6,), float32): torques of the joints, as shares of 120, 90, 60, 120, 60 and
30 N m, for a control step of 0.05 s.

Reward: mean forward speed during the step [m/s] minus 0.1 times the sum of squared actions. An
episode never terminates; it is truncated after 1000 steps. In `info`:

| key          | meaning                                            |
|--------------|----------------------------------------------------|
| `error`      | speed that is short of the desired one [m/s]       |
| `is_success` | at least as fast as desired                        |
| `x_position` | of the torso [m]                                   |
| `x_velocity` | mean forward speed during the step [m/s]           |
| `diverged`   | the simulation broke down and stays where it was   |

Physics, observation, reward and starts are those of gymnasium's HalfCheetah-v5. What differs from
one body to the other are factors: on the size of torso, thighs, shins and feet, on the torso's
mass, on gravity and on the ground's friction; `lost_sensors` are entries of the observation that
read 0, while rewards and info are of the true state. The bodies of HyperCRL (Huang et al. 2021)
and the scenarios of CSP (Gaya et al. 2022) are of this kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box

from ..check import (
    checked_action,
    checked_choice,
    checked_count,
    checked_number,
    checked_picture,
    checked_state,
)
from ..errors import TaskError
from ..rendering import Painter
from .body import CONTROL_SECONDS, SUBSTEPS, Body
from .collection import collect

LARGEST = 1e6
"""Positions and velocities beyond this have diverged."""
OBSERVED, JOINTS = 17, 6
_FULL = mujoco.mjtState.mjSTATE_INTEGRATION
_NOISE = 0.1


class HalfCheetahEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Run forward; see the module's text.

    Args:
        torso, thigh, shin, foot: factors on the lengths of a part, 0.5 to 2; what is attached to
            it moves along, and its mass grows with the third power.
        load: factor on the torso's mass, 0.1 to 10.
        gravity: factor on gravity, 0 to 4.
        friction: factor on the ground's friction, 0.01 to 4.
        lost_sensors: entries of the observation that read 0.
        desired_speed: speed of a success [m/s].
        render_mode: `rgb_array` or None.
        width: of pictures [pixels].
        height: of pictures [pixels].

    Raises:
        TaskError: an argument has a wrong type or value.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        torso: float = 1.0,
        thigh: float = 1.0,
        shin: float = 1.0,
        foot: float = 1.0,
        load: float = 1.0,
        gravity: float = 1.0,
        friction: float = 1.0,
        lost_sensors: Sequence[int] = (),
        desired_speed: float = 2.0,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
    ) -> None:
        checked_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        checked_picture(width, height)
        self.render_mode = render_mode
        self.body = Body(torso, thigh, shin, foot, load, gravity, friction)
        self.lost_sensors = _entries(lost_sensors)
        self.desired_speed = checked_number("desired_speed", desired_speed, 0.01, 100.0, "m/s")
        self.observation_space = Box(-1e3, 1e3, (OBSERVED,), np.float64)
        self.action_space = Box(-1.0, 1.0, (JOINTS,), np.float32)
        self._model, self._stance = self.body.build()
        self._data = mujoco.MjData(self._model)
        self._painter = Painter(self._model, width, height, "track")
        self._ready, self._diverged = False, False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a start. `options` are ignored."""
        super().reset(seed=seed)
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:], self._data.qvel[:] = self.draw(self.np_random)
        mujoco.mj_forward(self._model, self._data)
        self._ready, self._diverged = True, False
        return self.observe(self._data.qpos, self._data.qvel), self._info(0.0)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Turn the joints. Actions beyond [-1, 1] are clipped.

        Raises:
            TaskError: the action has another shape or is not finite.
        """
        if not self._ready:
            raise ResetNeeded("call reset() or set_state() before step()")
        action = np.clip(checked_action(action, JOINTS), -1.0, 1.0)
        before = self._data.qpos[0]
        self._advance(action)
        speed = float(self._data.qpos[0] - before) / CONTROL_SECONDS
        observation = self.observe(self._data.qpos, self._data.qvel)
        reward = 0.0 if self._diverged else float(_reward(speed, action))
        return observation, reward, False, False, self._info(speed)

    def render(self) -> np.ndarray | None:
        """Picture from the side, shape (height, width, 3), uint8; None without a render mode.

        The camera follows the body.

        Raises:
            RenderError: no OpenGL platform can be loaded.
        """
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode='rgb_array' at make()")
            return None
        if not self._ready:
            raise ResetNeeded("call reset() or set_state() before render()")
        shown = mujoco.MjData(self._model)
        shown.qpos[:] = self._data.qpos
        return self._painter.draw(shown)

    def close(self) -> None:
        """Free the renderer."""
        self._painter.close()

    def get_state(self) -> np.ndarray:
        """MuJoCo's full integration state, and whether it diverged, as one vector."""
        if not self._ready:
            raise ResetNeeded("call reset() before get_state()")
        physics = np.empty(mujoco.mj_stateSize(self._model, _FULL))
        mujoco.mj_getState(self._model, self._data, physics, _FULL)
        return np.concatenate([physics, [self._diverged]])

    def set_state(self, state: np.ndarray) -> np.ndarray:
        """Continue exactly where `get_state` was called; returns the observation.

        Raises:
            TaskError: the state has another size or is not finite.
        """
        state = checked_state(state, mujoco.mj_stateSize(self._model, _FULL) + 1)
        mujoco.mj_setState(self._model, self._data, state[:-1], _FULL)
        self._ready, self._diverged = True, bool(state[-1])
        return self.observe(self._data.qpos, self._data.qvel)

    def collect_episodes(
        self, episodes: int, steps: int, seed: int, workers: int = 1
    ) -> dict[str, np.ndarray]:
        """Episodes of gaits, forward, backward and random ones, with noise.

        This environment's own episode is untouched; episode i starts as `reset(seed=seeds[i])`
        does.

        Args:
            episodes: E.
            steps: T, in every episode; nothing terminates earlier.
            seed: of the whole collection.
            workers: threads; the result does not depend on them.

        Returns:
            `observations` (E, T+1, 17), `actions` (E, T, 6), `rewards` (E, T), `seeds` (E,), and
            `diverged` (E,), bool: episodes that are not finite from some step on.
        """
        return collect(self, self._model, episodes, steps, seed, workers)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """First qpos (9,) and qvel (9,): near the stance, slow."""
        qpos = self._stance + rng.uniform(-_NOISE, _NOISE, self._model.nq)
        return qpos, _NOISE * rng.standard_normal(self._model.nv)

    def observe(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Observations (..., 17) of qpos (..., 9) and qvel (..., 9)."""
        observation = np.concatenate([qpos[..., 1:], qvel], axis=-1)
        observation[..., self.lost_sensors] = 0.0
        return observation

    def reward(self, x: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Rewards (..., T) of positions x (..., T + 1) [m] and actions (..., T, 6)."""
        return _reward(np.diff(x, axis=-1) / CONTROL_SECONDS, actions)

    def _advance(self, action: np.ndarray) -> None:
        """One control step in place, unless it diverges."""
        if self._diverged:
            return
        data, size = self._data, mujoco.mj_stateSize(self._model, _FULL)
        before = np.empty(size)
        mujoco.mj_getState(self._model, data, before, _FULL)
        data.ctrl[:] = action
        mujoco.mj_step(self._model, data, SUBSTEPS)
        moved = np.concatenate([data.qpos, data.qvel])
        # as a comparison with a number that is not finite is false
        if not (np.abs(moved) < LARGEST).all():
            self._diverged = True
            mujoco.mj_setState(self._model, data, before, _FULL)

    def _info(self, speed: float) -> dict[str, Any]:
        return {
            "is_success": speed >= self.desired_speed and not self._diverged,
            "error": max(self.desired_speed - speed, 0.0),
            "x_position": float(self._data.qpos[0]),
            "x_velocity": speed,
            "diverged": self._diverged,
        }


def _reward(speed: np.ndarray | float, actions: np.ndarray) -> np.ndarray:
    return np.asarray(speed) - 0.1 * np.square(actions).sum(-1)


def _entries(lost: Sequence[int]) -> list[int]:
    if isinstance(lost, str) or not isinstance(lost, Sequence):
        raise TaskError(f"lost_sensors is {lost!r}, expected a list of entries of the observation")
    return sorted({checked_count("a lost sensor", i, 0, OBSERVED - 1) for i in lost})
