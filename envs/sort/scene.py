"""Discs on a table with walls, and a plate that is moved in strokes."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import HEIGHT, table

RADIUS = 0.015
"""Radius of the discs [m]."""
WALL = 0.2
"""The walls' inner faces are at +-WALL on both axes [m]."""
PLATE = np.array([0.004, 0.045])
"""Half sizes of the plate: along and across its motion [m]."""
MASS = 0.03
"""Mass of a disc [kg]."""
FRICTION = 5.0
"""Damping that stands for the discs' table friction [N s/m]."""
SERVO = 500.0
"""Gain of the plate's velocity servos [N s/m]: soft enough to stop at what cannot move."""
VIEW = 0.5
"""Height of the picture [m]."""
COLOURS = ((0.23, 0.44, 0.68, 1.0), (0.91, 0.66, 0.14, 1.0))
"""Of the discs that belong to the left and to the right."""

# Hard contacts: a squeezed disc gives way sideways instead of sinking in. Without friction,
# since real discs turn on the spot.
_CONTACT = {"condim": 1, "solref": [0.02, 1.0], "solimp": [0.95, 0.99, 0.001, 0.5, 2.0]}
_RIM = (0.36, 0.37, 0.42, 1.0)
_SLATE = (0.27, 0.28, 0.33, 1.0)
_RIM_WIDTH = 0.006


def build(colours: np.ndarray) -> mujoco.MjModel:
    """Model with qpos `[plate xy, plate angle, x and y of every disc]`.

    Args:
        colours: 0 or 1 of every disc. Shape (n,).
    """
    spec = table(VIEW)
    _plate(spec)
    for i, colour in enumerate(colours):
        _disc(spec, i, COLOURS[colour])
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        _wall(spec, float(x), float(y))
    spec.geom("workspace").size[:2] = WALL
    return spec.compile()


def _plate(spec: mujoco.MjSpec) -> None:
    """Make the table's round pusher a plate that can turn."""
    box = mujoco.mjtGeom.mjGEOM_BOX
    collider, picture = spec.geom("pusher"), spec.geom("pusher_picture")
    collider.type, collider.size = box, [*PLATE, HEIGHT]
    picture.type, picture.size, picture.rgba = box, [*PLATE, 0.022], _SLATE
    _harden(collider)
    joint = mujoco.mjtJoint.mjJNT_HINGE
    spec.body("pusher").add_joint(name="pusher_angle", type=joint, axis=[0, 0, 1])
    for servo in spec.actuators:
        servo.set_to_velocity(kv=SERVO)
    turning = spec.add_actuator(
        name="pusher_turn", target="pusher_angle", trntype=mujoco.mjtTrn.mjTRN_JOINT
    )
    turning.set_to_velocity(kv=10.0)


def _disc(spec: mujoco.MjSpec, index: int, colour: tuple[float, ...]) -> None:
    """A disc that slides: in one plane, a sphere collides as a disc does."""
    body = spec.worldbody.add_body(name=f"disc_{index}", pos=[0, 0, HEIGHT])
    for name, axis in (("x", [1, 0, 0]), ("y", [0, 1, 0])):
        body.add_joint(
            name=f"disc_{index}_{name}",
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=axis,
            damping=[FRICTION, 0.0, 0.0],
        )
    collider = body.add_geom(
        name=f"disc_{index}",
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[RADIUS, 0, 0],
        mass=MASS,
        contype=1,
        conaffinity=5,
        group=3,
    )
    _harden(collider)
    picture = body.add_geom(
        spec.find_default("picture"),
        name=f"disc_{index}_picture",
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[RADIUS, 0.015, 0],
        rgba=colour,
    )
    picture.mass = 0.0


def _wall(spec: mujoco.MjSpec, x: float, y: float) -> None:
    """The wall in direction x, y: a plane, which nothing can tunnel through."""
    plane = spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[WALL * x, WALL * y, HEIGHT],
        size=[1, 1, 0.1],
        contype=4,  # discs only: strokes are cut before the plate gets here
        conaffinity=0,
        group=3,
    )
    plane.alt.type = mujoco.mjtOrientation.mjORIENTATION_ZAXIS
    plane.alt.zaxis = [-x, -y, 0]
    _harden(plane)
    long, short = WALL + 2 * abs(x) * _RIM_WIDTH, _RIM_WIDTH
    spec.worldbody.add_geom(
        spec.find_default("picture"),
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=[(WALL + short) * x, (WALL + short) * y, 0.005],
        size=[short if x else long, short if y else long, 0.005],
        rgba=_RIM,
    )


def _harden(geom: mujoco.MjsGeom) -> None:
    for name, value in _CONTACT.items():
        setattr(geom, name, value)
