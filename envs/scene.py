"""Light, and the tabletop that the planar tasks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco
import numpy as np

PUSHER_RADIUS = 0.01
"""Radius of the pusher or gripper [m]."""
HEIGHT = 0.02
"""Height of the plane in which everything collides [m]."""

_POST = (0.36, 0.37, 0.42, 1.0)


def table(view: float) -> mujoco.MjSpec:
    """Empty table with a pusher at the origin.

    Args:
        view: Height of the picture [m]; the camera looks straight down, without perspective.
    """
    spec = mujoco.MjSpec.from_file(str(Path(__file__).with_name("table.xml")))
    spec.camera("top").fovy = view
    return spec


def studio(spec: mujoco.MjSpec) -> None:
    """Even light without gloss, and room for large smooth pictures."""
    spec.visual.headlight.ambient = [0.6, 0.6, 0.6]
    spec.visual.headlight.diffuse = [0.4, 0.4, 0.4]
    spec.visual.headlight.specular = [0, 0, 0]
    spec.visual.global_.offwidth = spec.visual.global_.offheight = 1920
    spec.visual.quality.offsamples = 8


def from_the_side(spec: mujoco.MjSpec, height: float, middle: float = 0.0) -> None:
    """Camera `side`, without perspective, that looks along y.

    Args:
        height: of the picture [m].
        middle: height of its middle [m].
    """
    spec.worldbody.add_camera(
        name="side",
        pos=[0, -2, middle],
        xyaxes=[1, 0, 0, 0, 0, 1],
        proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC,
        fovy=height,
    )


def box(
    body: mujoco.MjsBody,
    name: str,
    position: list[float],
    half: list[float] | np.ndarray,
    colour: tuple[float, ...],
    **other: Any,
) -> None:
    """Box without mass that touches nothing, unless `other` says so."""
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=position,
        size=half,
        rgba=colour,
        **{"mass": 0.0, "contype": 0, "conaffinity": 0, **other},
    )


def add_post(spec: mujoco.MjSpec, position: np.ndarray, radius: float) -> None:
    """Round post that blocks pusher and object.

    Everything moves in one plane, so a sphere in it collides as a cylinder would, with the
    robust sphere colliders. It is harder than the
    objects: a velocity servo that is blocked pushes with a few hundred newtons.
    """
    body = spec.worldbody.add_body(name="post", pos=[*position, HEIGHT])
    body.add_geom(
        name="post",
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[radius, 0, 0],
        contype=3,
        conaffinity=0,
        group=3,
        priority=1,
        solimp=[0.99, 0.999, 0.001, 0.5, 2.0],
    )
    picture = body.add_geom(
        spec.find_default("picture"),
        name="post_picture",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[radius, 0.02, 0],
        rgba=_POST,
    )
    picture.mass = 0.0
