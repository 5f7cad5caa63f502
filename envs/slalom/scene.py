"""A disc on a floor, and three walls with a gap each, which every episode puts elsewhere."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import box, studio

RADIUS = 0.035
"""Of the disc [m]."""
HALF = np.array([1.2, 0.8])
"""Half the size of the room [m]; the origin is its middle."""
WALLS = np.array([[-0.5, -0.45], [0.0, 0.05], [0.5, 0.55]])
"""Where each wall begins and ends along x [m]."""
GAP = 0.2
"""Width of a gap [m]."""
THRUST = 1.5
"""Largest acceleration, of either axis [m/s^2]."""
DRAG = 0.5
"""Deceleration per squared speed, of either axis [1/m]."""
TIMESTEP, SUBSTEPS = 0.02, 10
"""Of the simulation [s], and how many of them a control step has."""

_Z, _HEIGHT = 0.05, 0.08
_WALL, _EDGE = (0.55, 0.58, 0.64, 1.0), (0.36, 0.37, 0.42, 1.0)
_FLOOR, _DISC = (0.96, 0.955, 0.94, 1.0), (0.90, 0.42, 0.17, 1.0)


def build() -> mujoco.MjModel:
    """Model with qpos `[x, y]` of the disc, of 1 kg; walls are placed by `furnish`."""
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.option.gravity = [0, 0, 0]
    # walls are moved in the compiled model, which its hierarchy of bodies' boxes does not follow
    spec.option.disableflags = mujoco.mjtDisableBit.mjDSBL_MIDPHASE
    studio(spec)
    world = spec.worldbody
    world.add_camera(
        name="top", pos=[0, 0, 3], proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC, fovy=1.8
    )
    solid = {"contype": 1, "conaffinity": 1, "friction": [0, 0, 0]}
    box(world, "floor", [0, 0, -0.01], [*(HALF + 0.2), 0.01], _FLOOR)
    for axis, name in enumerate(("across", "along")):
        for sign in (-1, 1):
            centre, half = np.zeros(3), np.array([*(HALF + 0.05), _HEIGHT])
            centre[axis], half[axis] = sign * (HALF[axis] + 0.025), 0.025
            box(world, f"{name}_{sign}", [*centre], [*half], _EDGE, **solid)
    for k in range(2 * len(WALLS)):
        box(world, f"wall_{k}", [0, 0, _Z], [0.025, 0.1, _HEIGHT], _WALL, **solid)
    disc = world.add_body(name="disc", pos=[0, 0, _Z])
    for name, direction in (("x", [1, 0, 0]), ("y", [0, 1, 0])):
        disc.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=direction)
        motor = spec.add_actuator(name=name, target=name)
        motor.trntype = mujoco.mjtTrn.mjTRN_JOINT
        motor.gear = [THRUST, 0, 0, 0, 0, 0]
    # everything moves in one plane, so a ball in it collides as the disc would
    ball, cylinder = mujoco.mjtGeom.mjGEOM_SPHERE, mujoco.mjtGeom.mjGEOM_CYLINDER
    disc.add_geom(
        name="disc", type=ball, size=[RADIUS, 0, 0], mass=1.0, group=3, friction=[0, 0, 0]
    )
    shell = disc.add_geom(name="shell", type=cylinder, size=[RADIUS, 0.05, 0], rgba=_DISC)
    shell.mass, shell.contype, shell.conaffinity = 0.0, 0, 0
    return spec.compile()


def boxes(gaps: np.ndarray) -> np.ndarray:
    """Both halves of every wall as x0, y0, x1, y1 [m]. Shapes (3,) -> (6, 4)."""
    halves = [
        [(x0, -HALF[1], x1, y - GAP / 2), (x0, y + GAP / 2, x1, HALF[1])]
        for (x0, x1), y in zip(WALLS, gaps, strict=True)
    ]
    return np.array(halves).reshape(-1, 4)


def furnish(model: mujoco.MjModel, gaps: np.ndarray) -> None:
    """Put the walls where their gaps are as told, their middles along y [m]. Shape (3,)."""
    for k, corners in enumerate(boxes(gaps)):
        wall = model.geom(f"wall_{k}").id
        model.geom_pos[wall, :2] = (corners[:2] + corners[2:]) / 2
        model.geom_size[wall, :2] = (corners[2:] - corners[:2]) / 2
        model.geom_rbound[wall] = np.linalg.norm(model.geom_size[wall])


def clear(model: mujoco.MjModel) -> None:
    """Take away all that can be touched."""
    model.geom_contype[:] = model.geom_conaffinity[:] = 0
