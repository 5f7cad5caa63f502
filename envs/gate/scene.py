"""A wall across the table, a gate that slides in it, and the rod that the gate is pushed by."""

from __future__ import annotations

import math

import mujoco

from ..scene import HEIGHT, box, table

LEFT = -0.15
"""Where the doorway begins: the closed gate's edge touches it [m]."""
HALF = 0.005
"""Half the thickness of wall and gate, whose middle is y = 0 [m]."""
REACH = 0.09
"""From the gate's edge to the near face of its rod [m]."""
KEPT = 0.9
"""Of the opening, what is left a control step after the rod was let go."""

_MASS, _DAMPING = 0.02, 2.0
_STIFFNESS = -math.log(KEPT) / 0.1 * _DAMPING
_RIGHT, _OUTER, _LENGTH = 0.13, 0.27, 0.29
_ROD = (0.004, 0.13)
_VIEW = 0.56
_WALL, _GATE = (0.36, 0.37, 0.42, 1.0), (0.23, 0.44, 0.68, 1.0)
_HARD = [0.99, 0.999, 0.001, 0.5, 2.0]


def build(solid: bool) -> mujoco.MjModel:
    """Model with qpos `[pusher xy, opening]`.

    A spring and a damper shut the gate; its mass hardly matters. Only the pusher collides, with
    the rod, and with the wall and the gate's panel if they are `solid`.
    """
    spec = table(_VIEW)
    gate = spec.worldbody.add_body(name="gate", pos=[LEFT, 0, HEIGHT])
    joint = gate.add_joint(
        name="opening", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1, 0, 0], springref=0.0
    )
    joint.damping, joint.stiffness = [_DAMPING, 0, 0], [_STIFFNESS, 0, 0]
    panel = [_LENGTH / 2, 0, 0.002], [_LENGTH / 2, HALF, HEIGHT]
    rod = [REACH + _ROD[0], HALF - _ROD[1], 0.0], [_ROD[0], _ROD[1], 0.5 * HEIGHT]
    left = (LEFT + _OUTER) / 2
    right = (_OUTER - _RIGHT) / 2
    # harder than the rod: a velocity servo that is blocked pushes hard
    hard = {"contype": int(solid), "priority": 1, "solimp": _HARD}
    box(gate, "panel", *panel, _GATE, mass=_MASS / 2, **hard)
    box(gate, "rod", *rod, _GATE, mass=_MASS / 2, contype=1)
    world = spec.worldbody
    box(world, "left", [LEFT - left, 0, HEIGHT], [left, HALF, HEIGHT], _WALL, **hard)
    box(world, "right", [_OUTER - right, 0, HEIGHT], [right, HALF, HEIGHT], _WALL, **hard)
    return spec.compile()
