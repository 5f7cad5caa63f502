"""A pole on a cart between two soft walls, seen from the side."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import box, from_the_side, studio

WALL = 0.5
"""The tip touches a wall at this distance from the middle [m]."""
LENGTH = 1.0
"""Of the pole, without mass but for its tip [m]."""
CART_MASS, TIP_MASS = 1.0, 1.0
"""[kg]"""
GRAVITY = 10.0
"""[m/s^2]"""
STIFFNESS, DAMPING = 100.0, 10.0
"""Of a wall, per metre and per m/s of the tip's penetration [N/m], [N s/m]."""
FORCE = 1.0
"""Force on the cart at action 1 [N]."""
TIMESTEP = 0.0025
"""Of the simulation [s]."""
SUBSTEPS = 20
"""Simulation steps in one control step of 0.05 s."""
VIEW = 1.6
"""Height of the picture [m]."""

_RADIUS = 0.04
_IMPEDANCE = 1e-4
"""The smallest that MuJoCo allows: a contact is then a spring and a damper, nothing else."""
_CART = np.array([0.12, 0.04, 0.05])
_BLUE, _ORANGE = (0.23, 0.44, 0.68, 1.0), (0.90, 0.42, 0.17, 1.0)
_GREY, _SOFT = (0.36, 0.37, 0.42, 1.0), (0.62, 0.66, 0.72, 1.0)


def build() -> mujoco.MjModel:
    """Model with qpos `[cart x, pole angle]`: 0 is upright, positive leans to the right.

    The walls are contacts between planes and the ball at the tip, without friction. MuJoCo's
    contact force is (a_ref - a_0) / (A + R), with a_ref = -(K r + D v) / d for a direct `solref`
    (-K, -D), R = A' (1 - d) / d and A' the inverse mass that it takes the contact to have. With d
    at its least this is (K r + D v) / A' to one part in 10^4, so K = k A' and D = nu A' make it
    the wall's own k r + nu v: while the tip is in the wall, and never a pull.
    """
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_RK4
    spec.option.gravity = [0.0, 0.0, -GRAVITY]
    studio(spec)
    world = spec.worldbody
    from_the_side(spec, VIEW, middle=0.45)
    box(world, "", [0, 0.5, 0], [4, 0.01, 4], (0.96, 0.955, 0.94, 1))
    box(world, "", [0, 0.1, 0], [WALL + _RADIUS, 0.01, 0.008], _GREY)
    for side in (-1, 1):
        face = side * (WALL + _RADIUS)
        box(world, "", [face + side * 0.1, 0.1, LENGTH], [0.1, 0.01, 0.16], _SOFT)
        world.add_geom(
            name=f"wall_{side}",
            type=mujoco.mjtGeom.mjGEOM_PLANE,
            pos=[face, 0, 0],
            quat=[np.sqrt(0.5), 0, -side * np.sqrt(0.5), 0],
            size=[1, 1, 1],
            group=3,
        )
    cart = world.add_body(name="cart")
    cart.add_joint(name="slide", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1, 0, 0])
    box(cart, "", [0, 0.05, 0], _CART, _BLUE, mass=CART_MASS)
    pole = cart.add_body(
        name="pole",
        mass=TIP_MASS,
        ipos=[0, 0, LENGTH],
        inertia=[1e-9, 1e-9, 1e-9],
        explicitinertial=True,
    )
    pole.add_joint(name="hinge", type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0, 1, 0])
    pole.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[0, 0, 0, 0, 0, LENGTH],
        size=[0.012, 0, 0],
        contype=0,
        conaffinity=0,
        rgba=_ORANGE,
    )
    pole.add_geom(
        name="tip",
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        pos=[0, 0, LENGTH],
        size=[_RADIUS, 0, 0],
        condim=1,
        priority=1,
        solimp=[_IMPEDANCE, _IMPEDANCE, 0.001, 0.5, 2.0],
        rgba=_ORANGE,
    )
    motor = spec.add_actuator(name="motor", target="slide")
    motor.trntype = mujoco.mjtTrn.mjTRN_JOINT
    motor.gear = [FORCE, 0, 0, 0, 0, 0]
    model = spec.compile()
    inverse_mass = model.body_invweight0[model.body("pole").id, 0] * (1.0 - _IMPEDANCE)
    model.geom("tip").solref = [-STIFFNESS * inverse_mass, -DAMPING * inverse_mass]
    return model
