"""Where the links are and how they move: closed forms of qpos and qvel, on any leading axes.

Link i has its centre in the middle, its y axis points to the tail and its x axis to the right of
somebody who looks from the tail to the head. Angles are counted from +y, anticlockwise.
"""

from __future__ import annotations

import numpy as np

from .scene import LINK

_NOSE = 0.06


def angles(qpos: np.ndarray) -> np.ndarray:
    """Angle of every link in the world. Shape (..., links) [rad], of qpos (..., 2 + links)."""
    return np.cumsum(qpos[..., 2:], axis=-1)


def velocities(qpos: np.ndarray, qvel: np.ndarray) -> np.ndarray:
    """Velocities of the links' centres along their own axes, and their spins.

    Args:
        qpos: Shape (..., 2 + links).
        qvel: Shape (..., 2 + links).

    Returns:
        For each link vx, vy [m/s] and wz [rad/s]. Shape (..., links, 3).
    """
    angle, spin = angles(qpos), np.cumsum(qvel[..., 2:], axis=-1)
    sine, cosine = np.sin(angle), np.cos(angle)
    # a point at distance d behind a link's front end moves at -d * spin along the link's x axis
    x, y = LINK * spin * cosine, LINK * spin * sine
    vx = qvel[..., :1] - np.cumsum(x, axis=-1) + 0.5 * x
    vy = qvel[..., 1:2] - np.cumsum(y, axis=-1) + 0.5 * y
    return np.stack([vx * cosine + vy * sine, vy * cosine - vx * sine, spin], axis=-1)


def joints(qpos: np.ndarray) -> np.ndarray:
    """Front end of the head, the joints, and the tail's end. Shape (..., links + 1, 2) [m]."""
    angle = angles(qpos)
    steps = LINK * np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    front = qpos[..., None, :2] + np.array([0.0, -0.5 * LINK])
    return np.concatenate([front, front + np.cumsum(steps, axis=-2)], axis=-2)


def head(qpos: np.ndarray) -> np.ndarray:
    """Centre of the first link. Shape (..., 2) [m]."""
    return _along(qpos, 0.5 * LINK)


def nose(qpos: np.ndarray) -> np.ndarray:
    """Tip of the head, 1 cm in front of the first link's end. Shape (..., 2) [m]."""
    return _along(qpos, 0.5 * LINK - _NOSE)


def from_nose(qpos: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of the world as the head sees them: along its axes, from its tip on.

    Args:
        qpos: Shape (..., 2 + links).
        points: Shape (..., 2) [m].

    Returns:
        Shape (..., 2) [m]; what is ahead has a negative second component.
    """
    offset = points - nose(qpos)
    sine, cosine = np.sin(qpos[..., 2]), np.cos(qpos[..., 2])
    x, y = offset[..., 0], offset[..., 1]
    return np.stack([x * cosine + y * sine, y * cosine - x * sine], axis=-1)


def _along(qpos: np.ndarray, distance: float) -> np.ndarray:
    """The point at a distance behind the head's front end. Shape (..., 2)."""
    x = qpos[..., 0] - distance * np.sin(qpos[..., 2])
    y = qpos[..., 1] - 0.5 * LINK + distance * np.cos(qpos[..., 2])
    return np.stack([x, y], axis=-1)
