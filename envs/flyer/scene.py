"""A disc on a floor with walls, boxes and a door, which every episode puts elsewhere."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import box, studio
from .layout import HALF, MOST_BOXES, RADIUS, Layout

THRUST = 0.12
"""Acceleration by one jet [m/s^2]."""
FRICTION = 0.02
"""Deceleration by dry friction, of either axis [m/s^2]."""
DAMPING = 0.02
"""Deceleration per speed [1/s]."""
TIMESTEP, SUBSTEPS = 0.0125, 60
"""Of the simulation [s], and how many of them a control step has."""

_HEIGHT = 0.12
_Z = 0.05
_VIEW = 3.0
_FLOOR, _EDGE = (0.96, 0.955, 0.94, 1.0), (0.36, 0.37, 0.42, 1.0)
_BOX, _DOOR = np.array([0.55, 0.58, 0.64, 1.0]), np.array([0.90, 0.42, 0.17, 1.0])
_DISC, _CAP = (0.23, 0.44, 0.68, 1.0), (0.96, 0.96, 0.97, 1.0)
_AJAR = 0.18
"""Opacity of the door when it is open."""


def build() -> mujoco.MjModel:
    """Model with qpos `[x, y]` of the disc, of 1 kg; boxes and door are placed by `furnish`.

    Everything moves in one plane, so a ball in it collides as the disc would.
    """
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.gravity = [0, 0, 0]
    # boxes are moved in the compiled model, which its hierarchy of bodies' boxes does not follow
    spec.option.disableflags = mujoco.mjtDisableBit.mjDSBL_MIDPHASE
    studio(spec)
    world = spec.worldbody
    world.add_camera(
        name="top",
        pos=[0, 0, 3],
        proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC,
        fovy=_VIEW,
    )
    solid = {"contype": 1, "conaffinity": 1, "friction": [0, 0, 0]}
    box(world, "floor", [0, 0, -0.01], [*(HALF + 0.5), 0.01], _FLOOR, friction=[0, 0, 0])
    for i, name in enumerate(("left", "right", "lower", "upper")):
        axis, sign = i // 2, 2 * (i % 2) - 1
        centre, half = np.zeros(3), np.array([*(HALF + 0.05), _HEIGHT])
        centre[axis], half[axis] = sign * (HALF[axis] + 0.025), 0.025
        box(world, name, [*centre], [*half], _EDGE, **solid)
    for k in range(MOST_BOXES):
        box(world, f"box_{k}", [0, 0, _Z], [0.1, 0.1, _HEIGHT], tuple(_BOX), **solid)
    box(world, "door", [0, 0, _Z], [0.1, 0.1, _HEIGHT], tuple(_DOOR), **solid)
    disc = world.add_body(name="disc", pos=[0, 0, _Z])
    for name, axis in (("x", [1, 0, 0]), ("y", [0, 1, 0])):
        joint = disc.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
        joint.damping = [DAMPING, 0, 0]
        joint.frictionloss = FRICTION
        motor = spec.add_actuator(name=name, target=name)
        motor.trntype = mujoco.mjtTrn.mjTRN_JOINT
        motor.gear = [THRUST, 0, 0, 0, 0, 0]
    sphere, cylinder = mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CYLINDER
    disc.add_geom(
        name="disc", type=sphere, size=[RADIUS, 0, 0], mass=1.0, group=3, friction=[0, 0, 0]
    )
    for name, size, z, colour in (
        ("shell", RADIUS, 0.0, _DISC),
        ("cap", 0.4 * RADIUS, 0.03, _CAP),
    ):
        disc.add_geom(
            name=name,
            type=cylinder,
            pos=[0, 0, z],
            size=[size, 0.05, 0],
            mass=0.0,
            contype=0,
            conaffinity=0,
            rgba=colour,
        )
    return spec.compile()


def furnish(model: mujoco.MjModel, layout: Layout) -> None:
    """Put boxes and door where a scene has them; what it has not is taken away."""
    for k, corners in enumerate(layout.boxes):
        _place(model, f"box_{k}", corners)
    _place(model, "door", layout.door)


def close(model: mujoco.MjModel, shut: bool) -> None:
    """Close the door, if there is one, or open it."""
    door = model.geom("door").id
    there = model.geom_group[door] == 0
    model.geom_contype[door] = model.geom_conaffinity[door] = int(shut and there)
    model.geom_rgba[door, 3] = (1.0 if shut else _AJAR) if there else 0.0


def empty(model: mujoco.MjModel) -> None:
    """Take away all that can be touched."""
    model.geom_contype[:] = model.geom_conaffinity[:] = 0


def _place(model: mujoco.MjModel, name: str, box: np.ndarray) -> None:
    geom, there = model.geom(name).id, bool(box[0] < box[2])
    model.geom_group[geom] = 0 if there else 5
    model.geom_contype[geom] = model.geom_conaffinity[geom] = int(there)
    if there:
        model.geom_pos[geom, :2] = (box[:2] + box[2:]) / 2
        model.geom_size[geom, :2] = (box[2:] - box[:2]) / 2
        model.geom_rbound[geom] = np.linalg.norm(model.geom_size[geom])
