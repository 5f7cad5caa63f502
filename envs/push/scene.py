"""An object, a round pusher and perhaps an obstacle on the table."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from ..scene import HEIGHT, add_post, table
from .shapes import Shape

MASS = 0.1
"""Mass of the object [kg]."""
FRICTION = 10.0
"""Damping that stands for table friction [N s/m]."""
GRIP = 0.3
"""Coefficient of friction between pusher and object."""
OBSTACLE = np.zeros(2)
"""Centre of the obstacle, where there is one [m]."""
OBSTACLE_RADIUS = 0.03
VIEW = 0.6
"""Height of the picture [m]."""

_COLOUR = (0.23, 0.44, 0.68, 1.0)


@dataclass(frozen=True)
class Material:
    """What the object is made of.

    Attributes:
        mass: [kg].
        friction: damping of its motion that stands for table friction [N s/m].
        turning: factor on that of its rotation; 1: the weight rests evenly on the table, more: on
            the rim, less: in the middle.
        grip: coefficient of friction between pusher and object.
    """

    mass: float = MASS
    friction: float = FRICTION
    turning: float = 1.0
    grip: float = GRIP


def build(shape: Shape, obstacle: bool, material: Material = Material()) -> mujoco.MjModel:
    """Model with qpos `[pusher xy, object xy, object angle]`."""
    spec = table(VIEW)
    friction = material.friction
    spec.geom("pusher").friction[0] = material.grip
    body = spec.worldbody.add_body(name="object", pos=[0, 0, HEIGHT])
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    turning = friction * shape.friction_lever * material.turning
    for name, kind, axis, damping in (
        ("object_x", slide, [1, 0, 0], friction),
        ("object_y", slide, [0, 1, 0], friction),
        ("object_angle", hinge, [0, 0, 1], turning),
    ):
        body.add_joint(name=name, type=kind, axis=axis, damping=[damping, 0.0, 0.0])
    for i, (x, y, hx, hy) in enumerate(shape.rectangles):
        body.add_geom(
            name=f"object_{i}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[x, y, 0],
            size=[hx, hy, HEIGHT],
            mass=material.mass * shape.areas[i] / shape.areas.sum(),
            contype=1,
            conaffinity=2,
            friction=[material.grip, *spec.default.geom.friction[1:]],
            rgba=_COLOUR,
        )
    if obstacle:
        add_post(spec, OBSTACLE, OBSTACLE_RADIUS)
    return spec.compile()
