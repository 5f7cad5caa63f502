"""The half cheetah's body: gymnasium's, with parts of other sizes, loads, gravity and friction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gymnasium
import mujoco
import numpy as np

from ..check import checked_number

SUBSTEPS = 5
"""Simulation steps of 0.01 s in one control step."""
CONTROL_SECONDS = 0.05
"""Length of a control step [s]."""
MASS = 14.0
"""Of the body that is not changed [kg]."""
PARTS = {
    "torso": ("torso",),
    "thigh": ("bthigh", "fthigh"),
    "shin": ("bshin", "fshin"),
    "foot": ("bfoot", "ffoot"),
}
"""Bodies of the model that a part stands for: hind and front legs."""

_FILE = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / "half_cheetah.xml"


@dataclass(frozen=True)
class Body:
    """Factors on gymnasium's half cheetah.

    Attributes:
        torso, thigh, shin, foot: on all lengths of a part, of hind and front leg alike; what is
            attached to it moves along. Density stays, so its mass grows with the third power.
        load: on the torso's mass.
        gravity: on the acceleration of gravity.
        friction: on the friction of the ground.

    Raises:
        TaskError: a factor has a wrong type or value.
    """

    torso: float = 1.0
    thigh: float = 1.0
    shin: float = 1.0
    foot: float = 1.0
    load: float = 1.0
    gravity: float = 1.0
    friction: float = 1.0

    def __post_init__(self) -> None:
        for part in PARTS:
            checked_number(part, getattr(self, part), 0.5, 2.0)
        checked_number("load", self.load, 0.1, 10.0)
        checked_number("gravity", self.gravity, 0.0, 4.0)
        checked_number("friction", self.friction, 0.01, 4.0)

    def build(self) -> tuple[mujoco.MjModel, np.ndarray]:
        """Model with qpos `[x, z, angle, hind thigh, shin, foot, front thigh, shin, foot]`.

        Returns:
            The model, and the qpos (9,) about which episodes start: the lowest point is as high
            above the ground as that of the body that is not changed.
        """
        usual = _spec().compile()
        mass = mujoco.mj_getTotalmass(usual)
        stance = np.zeros(usual.nq)
        if self == Body():
            return _weighed(usual, MASS), stance
        model = self._changed().compile()
        # of the same density as the usual body, whose mass gymnasium fixes
        model = _weighed(model, MASS * (mujoco.mj_getTotalmass(model) / mass))
        stance[1] = lowest(usual) - lowest(model)
        return model, stance

    def _changed(self) -> mujoco.MjSpec:
        spec = _spec()
        for part, bodies in PARTS.items():
            for name in bodies:
                _scale(spec.body(name), getattr(self, part))
        for geom in spec.body("torso").geoms:
            geom.density *= self.load
        for geom in spec.geoms:
            # of the two that touch, the larger counts
            geom.friction = np.asarray(geom.friction) * self.friction
        spec.option.gravity = np.asarray(spec.option.gravity) * self.gravity
        return spec


def lowest(model: mujoco.MjModel) -> float:
    """Height of the lowest point of the body at qpos = 0 [m]."""
    data = mujoco.MjData(model)
    data.qpos[:] = 0.0
    mujoco.mj_kinematics(model, data)
    capsules = np.flatnonzero(model.geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE)
    axis = np.abs(data.geom_xmat[capsules, 8])  # the vertical part of the capsules' z axes
    radius, half = model.geom_size[capsules, :2].T
    return float((data.geom_xpos[capsules, 2] - axis * half - radius).min())


def _spec() -> mujoco.MjSpec:
    spec = mujoco.MjSpec.from_file(str(_FILE))
    spec.compiler.settotalmass = -1.0  # done by hand: the attribute is deprecated
    # without the automatic reset a diverged state stays visible as one
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
    spec.visual.global_.offwidth = spec.visual.global_.offheight = 1920
    return spec


def _weighed(model: mujoco.MjModel, mass: float) -> mujoco.MjModel:
    """The model with its masses and inertias scaled to a total mass [kg]."""
    mujoco.mj_setTotalmass(model, mass)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    # the solver stops relative to these, and they are computed at compilation only
    model.stat.meaninertia = model.dof_M0.mean()
    model.stat.meanmass = mass / (model.nbody - 1)
    return model


def _scale(body: mujoco.MjsBody, factor: float) -> None:
    """All lengths in a body's frame, about its joint."""
    for geom in body.geoms:
        geom.size = np.asarray(geom.size) * factor
        geom.pos = np.asarray(geom.pos) * factor
        geom.fromto = np.asarray(geom.fromto) * factor
    for child in body.bodies:
        child.pos = np.asarray(child.pos) * factor
