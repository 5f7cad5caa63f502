"""An object, a round pusher and perhaps an obstacle on the table."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import HEIGHT, add_post, table
from .shapes import Shape

MASS = 0.1
"""Mass of the object [kg]."""
FRICTION = 10.0
"""Damping that stands for table friction [N s/m]."""
OBSTACLE = np.zeros(2)
"""Centre of the obstacle, where there is one [m]."""
OBSTACLE_RADIUS = 0.03
VIEW = 0.6
"""Height of the picture [m]."""

_COLOUR = (0.23, 0.44, 0.68, 1.0)


def build(
    shape: Shape, obstacle: bool, mass: float = MASS, friction: float = FRICTION
) -> mujoco.MjModel:
    """Model with qpos `[pusher xy, object xy, object angle]`.

    Args:
        shape: of the object.
        obstacle: whether there is one.
        mass: of the object [kg].
        friction: damping of the object's motion [N s/m].
    """
    spec = table(VIEW)
    body = spec.worldbody.add_body(name="object", pos=[0, 0, HEIGHT])
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    turning = friction * shape.friction_lever
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
            mass=mass * shape.areas[i] / shape.areas.sum(),
            contype=1,
            conaffinity=2,
            rgba=_COLOUR,
        )
    if obstacle:
        add_post(spec, OBSTACLE, OBSTACLE_RADIUS)
    return spec.compile()
