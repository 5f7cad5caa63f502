"""A rope on the table: a chain of capsules dragged by a gripper through a viscous medium."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import add_post, table

LINKS = 12
LENGTH = 0.36
"""Length of the rope [m]."""
LINK = LENGTH / LINKS
RADIUS = 0.005
"""Radius of the rope [m]."""
MASS = 0.06
"""Mass of the rope [kg]."""
SERVO = 2000.0
"""Gain of the gripper's velocity servos [N s/m]."""
POLE = np.zeros(2)
"""Position of the pole, where there is one [m]."""
POLE_RADIUS = 0.02
VIEW = 0.8
"""Height of the picture [m]."""

_COLOUR = (0.16, 0.45, 0.62, 1.0)


def build(pole: bool) -> mujoco.MjModel:
    """Model with qpos `[gripper xy, 12 hinge angles]`."""
    spec = table(VIEW)
    spec.option.viscosity = 4.0
    for servo in spec.actuators:  # stiffer than for rigid objects: the rope pulls all the time
        servo.set_to_velocity(kv=SERVO)
    body = spec.body("pusher")
    for i in range(LINKS):
        body = body.add_body(name=f"link_{i}", pos=[LINK if i else 0.0, 0.0, 0.0])
        body.add_joint(
            name=f"hinge_{i}",
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=[0, 0, 1],
            stiffness=[2e-4 if i else 0.0, 0.0, 0.0],
            damping=[5e-4, 0.0, 0.0],
        )
        body.add_geom(
            name=f"link_{i}",
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[0, 0, 0, LINK, 0, 0],
            size=[RADIUS, 0, 0],
            mass=MASS / LINKS,
            contype=2,
            conaffinity=1,
            rgba=_COLOUR,
        )
    if pole:
        add_post(spec, POLE, POLE_RADIUS)
    return spec.compile()


def points(qpos: np.ndarray) -> np.ndarray:
    """Gripper and link ends. Shape (..., 13, 2) [m], of qpos (..., 14)."""
    angles = np.cumsum(qpos[..., 2:], axis=-1)
    steps = LINK * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    ends = qpos[..., None, :2] + np.cumsum(steps, axis=-2)
    return np.concatenate([qpos[..., None, :2], ends], axis=-2)
