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
from typing import Any, Unpack

import mujoco
import mujoco.rollout
import numpy as np
from gymnasium.utils.seeding import np_random

from ..base import LARGEST, BundledTask, Picture, physics, set_physics, sound_step
from ..check import checked_count, checked_number
from ..errors import TaskError
from .body import CONTROL_SECONDS, SUBSTEPS, Body
from .exploration import JOINTS, actions_of

OBSERVED = 17
_NOISE = 0.1


class HalfCheetahEnv(BundledTask):
    """Run forward; see the module's text.

    Args:
        torso, thigh, shin, foot: factors on the lengths of a part, 0.5 to 2; what is attached to
            it moves along, and its mass grows with the third power.
        load: factor on the torso's mass, 0.1 to 10.
        gravity: factor on gravity, 0 to 4.
        friction: factor on the ground's friction, 0.01 to 4.
        lost_sensors: entries of the observation that read 0.
        desired_speed: speed of a success [m/s].
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012
    block = 64

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
        **picture: Unpack[Picture],
    ) -> None:
        self.body = Body(torso, thigh, shin, foot, load, gravity, friction)
        self.lost_sensors = _entries(lost_sensors)
        self.control_seconds = CONTROL_SECONDS
        self.desired_speed = checked_number("desired_speed", desired_speed, 0.01, 100.0, "m/s")
        model, self._stance = self.body.build()
        super().__init__(np.full(OBSERVED, 1e3), JOINTS, model, "track", **picture)
        self._diverged, self._speed, self._earned = False, 0.0, 0.0

    def _begin(self, rng: np.random.Generator) -> None:
        self._start(self._data, rng)
        self._diverged, self._speed = False, 0.0

    def _advance(self, action: np.ndarray) -> None:
        before = self._data.qpos[0]
        if not self._diverged:
            self._diverged = not sound_step(self._model, self._data, action, SUBSTEPS)
        self._speed = float(self._data.qpos[0] - before) / CONTROL_SECONDS
        self._earned = 0.0 if self._diverged else float(_reward(self._speed, action))

    def _reward(self, info: dict[str, Any]) -> float:
        return self._earned

    def _observe(self) -> np.ndarray:
        return self.observe(self._data.qpos, self._data.qvel)

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        return {
            "is_success": self._speed >= self.desired_speed and not self._diverged,
            "error": max(self.desired_speed - self._speed, 0.0),
            "x_position": float(self._data.qpos[0]),
            "x_velocity": self._speed,
            "diverged": self._diverged,
        }

    def _saved(self) -> np.ndarray:
        return np.concatenate([physics(self._model, self._data), [self._diverged]])

    def _restore(self, state: np.ndarray) -> None:
        set_physics(self._model, self._data, state[:-1])
        self._diverged = bool(state[-1])

    def _collect(self, seeds: np.ndarray, steps: int, workers: int) -> dict[str, np.ndarray]:
        """Gaits, forward, backward and random ones, with noise.

        Each episode is one call of `mujoco.rollout`; those that diverge are not finite from some
        step on.
        """
        model = self._model
        starts, warm = self._starts(seeds)
        # a second stream, so that exploration does not shift what reset draws
        actions = np.stack([actions_of(np.random.default_rng([int(s), 1]), steps) for s in seeds])
        data = [mujoco.MjData(model) for _ in range(max(1, workers))]
        control = np.repeat(actions.astype(np.float64), SUBSTEPS, axis=1)
        with mujoco.rollout.Rollout(nthread=workers if workers > 1 else 0) as pool:
            states, _ = pool.rollout(model, data, starts, control, initial_warmstart=warm)
        states = np.concatenate([starts[:, None], states[:, SUBSTEPS - 1 :: SUBSTEPS]], axis=1)
        qpos, qvel = states[..., 1 : 1 + model.nq], states[..., 1 + model.nq :]
        observations = self.observe(qpos, qvel)
        # also where MuJoCo stopped: it repeats the last state, with a time that stands still
        moving = np.diff(states[..., 0], axis=1, prepend=-1.0) > 0
        sound = np.logical_and.accumulate((np.abs(states) < LARGEST).all(-1) & moving, axis=1)
        observations[~sound] = np.nan
        return {
            "observations": observations,
            "actions": actions,
            "rewards": _reward(
                np.diff(qpos[..., 0], axis=-1) / CONTROL_SECONDS, actions.astype(np.float64)
            ),
            "diverged": np.asarray(~sound.all(-1)),
        }

    def _start(self, data: mujoco.MjData, rng: np.random.Generator) -> None:
        """Near the stance, slow."""
        mujoco.mj_resetData(self._model, data)
        data.qpos[:] = self._stance + rng.uniform(-_NOISE, _NOISE, self._model.nq)
        data.qvel[:] = _NOISE * rng.standard_normal(self._model.nv)
        mujoco.mj_forward(self._model, data)

    def _starts(self, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First states (N, 1 + nq + nv) and warm starts (N, nv) of the constraint solver."""
        scratch = mujoco.MjData(self._model)
        states, warm = [], []
        for own in seeds:
            self._start(scratch, np_random(int(own))[0])
            states.append(np.concatenate([[0.0], scratch.qpos, scratch.qvel]))
            warm.append(scratch.qacc_warmstart.copy())
        return np.stack(states), np.stack(warm)

    def observe(self, qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
        """Observations (..., 17) of qpos (..., 9) and qvel (..., 9)."""
        observation = np.concatenate([qpos[..., 1:], qvel], axis=-1)
        observation[..., self.lost_sensors] = 0.0
        return observation


def _reward(speed: np.ndarray | float, actions: np.ndarray) -> np.ndarray:
    return np.asarray(speed) - 0.1 * np.square(actions).sum(-1)


def _entries(lost: Sequence[int]) -> list[int]:
    if isinstance(lost, str) or not isinstance(lost, Sequence):
        raise TaskError(f"lost_sensors is {lost!r}, expected a list of entries of the observation")
    return sorted({checked_count("a lost sensor", i, 0, OBSERVED - 1) for i in lost})
