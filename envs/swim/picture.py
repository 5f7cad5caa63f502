"""Pictures of swimmers: a smooth tapered body along the chain, its eyes, and targets."""

from __future__ import annotations

from itertools import pairwise

import mujoco
import numpy as np

from ..rendering import ghost_ball, ghost_capsule, ghost_disc
from . import kinematics

_HEIGHT = 0.05
_PIECES = 10
_DOTS = 0.08
_THICKEST = 0.026
_COLOURS = np.array([[0.95, 0.50, 0.14], [0.80, 0.27, 0.42], [0.22, 0.33, 0.66]])
_DARK = np.array([0.10, 0.12, 0.16, 1.0], dtype=np.float32)


def draw_body(scene: mujoco.MjvScene, qpos: np.ndarray) -> None:
    """Add the body of qpos (2 + links,) to a picture."""
    line = backbone(qpos)
    place = np.linspace(0.0, 1.0, len(line))
    radius = thickness(place)
    parts = [np.interp(place, [0.0, 0.45, 1.0], part) for part in _COLOURS.T]
    colour = np.stack([*parts, np.ones_like(place)], axis=-1).astype(np.float32)
    for i, (start, end) in enumerate(pairwise(line)):
        ghost_capsule(scene, start, end, radius[i], _HEIGHT, colour[i])
    head = kinematics.head(qpos)
    ahead = kinematics.nose(qpos) - head
    side = np.array([-ahead[1], ahead[0]])
    for sign in (-1.0, 1.0):
        eye = head + 0.72 * ahead + 0.17 * sign * side
        ghost_ball(scene, np.array([*eye, _HEIGHT + _THICKEST]), 0.006, _DARK)


def draw_target(
    scene: mujoco.MjvScene, nose: np.ndarray, target: np.ndarray, radius: float
) -> None:
    """Add the disc of a target, and dots on the way to it that show where it is when far.

    Args:
        nose: Shape (2,) [m].
        target: Shape (2,) [m].
        radius: of the disc [m].
    """
    ghost_disc(scene, target, radius, 0.002)
    way = target - nose
    distance = float(np.linalg.norm(way))
    for far in np.arange(_DOTS, distance - radius, _DOTS):
        ghost_disc(scene, nose + far / distance * way, 0.008, 0.002)


def backbone(qpos: np.ndarray) -> np.ndarray:
    """A smooth line from the nose to the tail, tangent to every link at its centre.

    Between two centres it is the quadratic Bezier curve whose control point is their joint.

    Args:
        qpos: Shape (2 + links,).

    Returns:
        Shape (points, 2) [m].
    """
    ends = kinematics.joints(qpos)
    centres = 0.5 * (ends[:-1] + ends[1:])
    t = np.linspace(0.0, 1.0, _PIECES, endpoint=False)[:, None]
    parts = [kinematics.nose(qpos) * (1.0 - t) + centres[0] * t]
    for before, joint, after in zip(centres[:-1], ends[1:-1], centres[1:], strict=True):
        parts.append((1.0 - t) ** 2 * before + 2.0 * t * (1.0 - t) * joint + t**2 * after)
    t = np.linspace(0.0, 1.0, _PIECES)[:, None]
    parts.append(centres[-1] * (1.0 - t) + ends[-1] * t)
    return np.concatenate(parts)


def thickness(place: np.ndarray) -> np.ndarray:
    """Radius of the body [m] at places from 0 (nose) to 1 (tail)."""
    blunt = np.sqrt(np.clip(place / 0.06, 0.0, 1.0))
    thin = 1.0 - 0.8 * place**2.5
    return _THICKEST * (0.45 + 0.55 * blunt) * thin
