"""A chain of thin plates on hinges in a dense fluid, seen from above."""

from __future__ import annotations

import mujoco
import numpy as np

from ..scene import studio

LINK = 0.1
"""Length of a link [m]."""
MASS = 0.01
"""Mass of a link [kg]."""
TIMESTEP = 0.002
"""Of the simulation [s]."""
SUBSTEPS = 15
"""Simulation steps in one control step."""
CONTROL_SECONDS = SUBSTEPS * TIMESTEP
"""Length of a control step [s]."""
TORQUE = 5e-4
"""Torque of a joint at action 1 [N m]."""

_HALF = (0.001, 0.5 * LINK, 0.01)
_HEIGHT = 0.05


def joint_limit(links: int) -> float:
    """Largest angle of every joint, to both sides [rad]: all together close a circle."""
    return float(2.0 * np.pi / links)


def build(links: int, density: float, viscosity: float, view: float) -> mujoco.MjModel:
    """Model with qpos `[x, y, heading, J joint angles]`.

    The first link is the head; its free end points along its own -y axis, and x, y displace that
    end from (0, -0.05). Links do not collide. The fluid acts on every link as on a plate of the
    same inertia (MuJoCo's inertia-box model). Values are those of the `swimmer` domain of
    Tassa et al. (2018), DeepMind Control Suite.

    Args:
        links: number of links, one more than joints J.
        density: of the fluid [kg/m^3].
        viscosity: of the fluid [Pa s].
        view: height of the picture [m].
    """
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    spec.option.density, spec.option.viscosity = density, viscosity
    off = mujoco.mjtDisableBit
    # without the automatic reset a diverged state stays visible as one; islands only cost time
    for flag in (off.mjDSBL_CONTACT, off.mjDSBL_AUTORESET, off.mjDSBL_ISLAND):
        spec.option.disableflags |= flag
    body = spec.worldbody
    for i in range(links):
        body = body.add_body(name=f"link_{i}", pos=[0, LINK, 0] if i else [0, 0, _HEIGHT])
        if i:
            _joint(spec, body, i - 1, joint_limit(links))
        else:
            _root(body, view)
        body.add_geom(
            name=f"link_{i}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=_HALF,
            mass=MASS,
            rgba=[0, 0, 0, 0],
        )
    _stage(spec)
    return spec.compile()


def _root(head: mujoco.MjsBody, view: float) -> None:
    end = [0.0, -0.5 * LINK, 0.0]
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    head.add_joint(name="x", type=slide, axis=[1, 0, 0], pos=end)
    head.add_joint(name="y", type=slide, axis=[0, 1, 0], pos=end)
    head.add_joint(name="heading", type=hinge, axis=[0, 0, 1], pos=end)
    head.add_camera(
        name="top",
        mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACK,
        pos=[0, 0, 2],
        xyaxes=[1, 0, 0, 0, 1, 0],
        proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC,
        fovy=view,
    )


def _joint(spec: mujoco.MjSpec, body: mujoco.MjsBody, i: int, limit: float) -> None:
    body.add_joint(
        name=f"joint_{i}",
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=[0, 0, 1],
        pos=[0, -0.5 * LINK, 0],
        limited=True,
        range=np.degrees([-limit, limit]),
        solref_limit=[0.05, 1.0],
        solimp_limit=[0.0, 0.8, 0.1, 0.5, 2.0],
        armature=1e-6,
    )
    motor = spec.add_actuator(name=f"motor_{i}", target=f"joint_{i}")
    motor.trntype = mujoco.mjtTrn.mjTRN_JOINT
    motor.gear = [TORQUE, 0, 0, 0, 0, 0]
    motor.ctrllimited = True
    motor.ctrlrange = [-1, 1]


def _stage(spec: mujoco.MjSpec) -> None:
    """Light and a pale chequered floor, by which motion can be seen."""
    studio(spec)
    spec.add_texture(
        name="floor",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.90, 0.93, 0.95],
        rgb2=[0.86, 0.90, 0.93],
        width=128,
        height=128,
    )
    floor = spec.add_material(name="floor", texrepeat=[5, 5], texuniform=True)
    floor.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "floor"
    spec.worldbody.add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 0.1], material="floor"
    )
