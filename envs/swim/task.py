"""What a swimmer sees and what it is paid for, without the simulation: one copy or many alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..check import checked_count, checked_number
from ..errors import TaskError
from . import kinematics
from .noise import KEYS, normal
from .scene import build, joint_limit

LINKS = (3, 32)
"""Smallest and largest number of links."""


class SwimTask:
    """Swim forward at a desired speed.

    An episode has a vector of its own, drawn at its start: the key of its sensor noise. Rewards
    and errors are functions of observations. All methods but `draw` work on any leading axes.

    Args:
        density: of the fluid [kg/m^3].
        viscosity: of the fluid [Pa s].
        lost_sensors: joints (0 at the head) whose angle is observed as 0.
        sensor_noise: standard deviation of observed angles [rad].
        desired_speed: forward speed of the head that earns the full reward [m/s].
    """

    extras = 1
    """Size of an episode's vector."""
    seen = 0
    """Size of what is observed between the angles and the velocities."""
    view = 1.8
    """Height of pictures, in lengths of the straight body."""

    def __init__(
        self,
        links: int = 6,
        density: float = 3000.0,
        viscosity: float = 0.0,
        lost_sensors: Sequence[int] = (),
        sensor_noise: float = 0.0,
        desired_speed: float = 0.1,
    ) -> None:
        self.links = checked_count("links", links, *LINKS)
        self.joints = self.links - 1
        self.limit = joint_limit(self.links)
        self.density = checked_number("density", density, 0.0, 1e4, "kg/m^3")
        self.viscosity = checked_number("viscosity", viscosity, 0.0, 10.0, "Pa s")
        self.desired_speed = checked_number("desired_speed", desired_speed, 1e-3, 10.0, "m/s")
        self.lost_sensors = _joints("lost_sensors", lost_sensors, self.joints)
        self.sensor_noise = checked_number("sensor_noise", sensor_noise, 0.0, 10.0, "rad")
        self.model = build(self.links, self.density, self.viscosity, self.view * 0.1 * self.links)
        self.size = self.joints + self.seen + 3 * self.links

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """First qpos (nq,) and the vector (extras,) of an episode that begins at rest.

        Every joint is uniform in its range, the heading is any.
        """
        qpos = np.zeros(self.model.nq)
        qpos[2] = rng.uniform(-np.pi, np.pi)
        qpos[3:] = rng.uniform(-self.limit, self.limit, self.joints)
        return qpos, np.concatenate([self.aim(rng), [rng.integers(KEYS)]])

    def aim(self, rng: np.random.Generator) -> np.ndarray:
        """What else is random about an episode. Shape (extras - 1,)."""
        return np.empty(0)

    def look(self, qpos: np.ndarray, episode: np.ndarray) -> np.ndarray:
        """What is observed between the angles and the velocities. Shape (..., seen)."""
        return np.empty((*qpos.shape[:-1], 0))

    def observe(
        self, qpos: np.ndarray, qvel: np.ndarray, episode: np.ndarray, step: np.ndarray | int
    ) -> np.ndarray:
        """Observations. Shape (..., size).

        Args:
            qpos: Shape (..., nq).
            qvel: Shape (..., nq).
            episode: the episodes' vectors. Shape (..., extras).
            step: control steps since the start, which noise depends on. Shape (...), or one.
        """
        observation = np.empty((*qpos.shape[:-1], self.size))
        angle = observation[..., : self.joints]
        angle[...] = qpos[..., 3:]
        if self.sensor_noise:
            noise = normal(episode[..., -1], np.asarray(step), self.joints)
            angle += self.sensor_noise * noise
        if self.lost_sensors:
            angle[..., list(self.lost_sensors)] = 0.0
        if self.seen:
            observation[..., self.joints : self.joints + self.seen] = self.look(qpos, episode)
        moving = kinematics.velocities(qpos, qvel)
        observation[..., self.joints + self.seen :] = moving.reshape(*qpos.shape[:-1], -1)
        return observation

    def speed(self, observation: np.ndarray) -> np.ndarray:
        """Speed of the head along its own axis, forward [m/s]. Shape (...)."""
        return -observation[..., self.joints + self.seen + 1]

    def error(self, observation: np.ndarray) -> np.ndarray:
        """Speed that is short of the desired one [m/s]. Shape (...)."""
        return np.maximum(self.desired_speed - self.speed(observation), 0.0)

    def success(self, observation: np.ndarray) -> np.ndarray:
        """Whether the head is at least as fast as desired. Shape (...), bool."""
        return self.speed(observation) >= self.desired_speed

    def reward(self, observation: np.ndarray) -> np.ndarray:
        """Speed by desired speed, cut to [0, 1]. Shape (...)."""
        return np.clip(self.speed(observation) / self.desired_speed, 0.0, 1.0)


def _joints(name: str, value: Sequence[int], joints: int) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise TaskError(f"{name} is {value!r}, expected a list of joints, e.g. [0, 2]")
    return tuple(sorted({checked_count(f"a joint of {name}", v, 0, joints - 1) for v in value}))
