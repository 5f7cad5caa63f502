"""A cart on a rail with a pole on it, seen from the side."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import box, from_the_side, studio

RAIL = 0.6
"""The cart's centre stays within +-RAIL: buffers stop it there [m]."""
LENGTH = 0.6
"""Length of the pole, a thin even rod [m]."""
CART_MASS, POLE_MASS = 1.0, 0.1
"""[kg]"""
FORCE = 6.0
"""Force on the cart at action 1 [N]."""
TIMESTEP = 0.005
"""Of the simulation [s]."""
SUBSTEPS = 20
"""Simulation steps in one control step of 0.1 s."""
VIEW = 1.7
"""Height of the picture [m]."""

_CART = np.array([0.12, 0.04, 0.04])
_BUFFER = 0.02
_BLUE, _ORANGE = (0.23, 0.44, 0.68, 1.0), (0.90, 0.42, 0.17, 1.0)
_GREY = (0.36, 0.37, 0.42, 1.0)


def build() -> mujoco.MjModel:
    """Model with qpos `[cart x, pole angle]`: 0 is upright, positive leans to the right.

    The buffers are limits of the cart's joint, without contact geometry: little of a blow is
    given back. Nothing else touches.
    """
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    studio(spec)
    world = spec.worldbody
    from_the_side(spec, VIEW)
    end = RAIL + _CART[0] + _BUFFER
    box(world, "wall", [0, 0.5, 0], [3, 0.01, 3], (0.96, 0.955, 0.94, 1))
    box(world, "rail", [0, 0.1, 0], [end, 0.01, 0.008], _GREY)
    for side in (-1, 1):
        box(world, f"buffer_{side}", [side * end, 0.1, 0], [_BUFFER, 0.01, 0.05], _GREY)
    cart = world.add_body(name="cart")
    cart.add_joint(
        name="slide",
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=[1, 0, 0],
        damping=[0.1, 0, 0],
        limited=True,
        range=[-RAIL, RAIL],
    )
    box(cart, "cart", [0, 0.05, 0], _CART, _BLUE, mass=CART_MASS)
    pole = cart.add_body(name="pole")
    pole.add_joint(
        name="hinge",
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=[0, 1, 0],
        damping=[1e-3, 0, 0],
    )
    pole.add_geom(
        name="pole",
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[0, 0, 0, 0, 0, LENGTH],
        size=[0.012, 0, 0],
        mass=POLE_MASS,
        contype=0,
        conaffinity=0,
        rgba=_ORANGE,
    )
    motor = spec.add_actuator(name="motor", target="slide")
    motor.trntype = mujoco.mjtTrn.mjTRN_JOINT
    motor.gear = [FORCE, 0, 0, 0, 0, 0]
    return spec.compile()


def tip(position: np.ndarray, sine: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """The pole's tip, across and up. Shape (..., 2) [m]."""
    return np.stack([position + LENGTH * sine, LENGTH * cosine], axis=-1)
