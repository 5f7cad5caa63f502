"""Flat objects made of rectangles, in a frame whose origin is the centre of mass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Shape:
    """A flat object of even density.

    Attributes:
        rectangles: Shape (R, 4): centre x, y and half sizes x, y [m].
        keypoints: Shape (4, 2) [m].
        reach: distance of the outermost point from the centre of mass [m].
    """

    rectangles: np.ndarray
    keypoints: np.ndarray

    @cached_property
    def reach(self) -> float:
        centre, half = self.rectangles[:, :2], self.rectangles[:, 2:]
        return float(np.linalg.norm(np.abs(centre) + half, axis=-1).max())

    @cached_property
    def areas(self) -> np.ndarray:
        """Area of every rectangle. Shape (R,) [m^2]."""
        return 4.0 * self.rectangles[:, 2:].prod(axis=-1)

    @cached_property
    def friction_lever(self) -> float:
        """Moment of even friction over force, (mean r)(rms r) of the object's area [m^2].

        The damping that stands for table friction is d on both slides and d times this on the
        hinge: an ellipsoidal limit surface (Howe and Cutkosky 1996).
        """
        means, squares = [], []
        for x, y, hx, hy in self.rectangles:
            across = x + hx * _MIDPOINTS[:, None]
            up = y + hy * _MIDPOINTS[None, :]
            means.append(np.hypot(across, up).mean())
            squares.append((across**2 + up**2).mean())
        weights = self.areas / self.areas.sum()
        return float((weights @ means) * np.sqrt(weights @ squares))

    def scaled(self, factor: float) -> Shape:
        """The same shape at another size; itself at the same."""
        if factor == 1.0:
            return self
        return Shape(self.rectangles * factor, self.keypoints * factor)

    def gap(self, points: np.ndarray) -> np.ndarray:
        """Signed distance of points (..., 2) in the object's frame to it. Shape (...) [m]."""
        offset = np.abs(points[..., None, :] - self.rectangles[:, :2]) - self.rectangles[:, 2:]
        outside = np.linalg.norm(np.maximum(offset, 0.0), axis=-1)
        inside = np.minimum(offset.max(axis=-1), 0.0)
        return (outside + inside).min(axis=-1)

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Points spread evenly over the object. Shape (count, 2) [m]."""
        chosen = np.searchsorted(np.cumsum(self.areas) / self.areas.sum(), rng.random(count))
        unit = rng.uniform(-1.0, 1.0, (count, 2))
        return self.rectangles[chosen, :2] + unit * self.rectangles[chosen, 2:]


_MIDPOINTS = (np.arange(400) + 0.5) / 200.0 - 1.0


def _t() -> Shape:
    # bar 0.12 x 0.03, stem 0.03 x 0.09: the proportions of the usual Push-T
    bar, stem = 0.12 * 0.03, 0.03 * 0.09
    y = 0.06 * stem / (bar + stem)
    rectangles = np.array([[0.0, y, 0.06, 0.015], [0.0, y - 0.06, 0.015, 0.045]])
    keypoints = np.array([[-0.06, y], [0.06, y], [0.0, y], [0.0, y - 0.105]])
    return Shape(rectangles, keypoints)


def _box() -> Shape:
    x, y = 0.04, 0.03
    corners = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
    return Shape(np.array([[0.0, 0.0, x, y]]), corners)


T = _t()
"""Keypoints: left and right end of the bar, middle of the bar, tip of the stem."""
BOX = _box()
"""0.08 x 0.06 m. Keypoints: the corners, counter-clockwise from the lower left."""


def place(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points (P, 2) of the object's frame, in the world. Shape (..., P, 2), of poses (..., 3)."""
    return pose[..., None, :2] + rotate(points, pose[..., 2, None])


def localise(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """World points (..., 2) in the frames of objects at poses (..., 3)."""
    return rotate(points - pose[..., :2], -pose[..., 2])


def rotate(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points (..., 2) turned by angles that broadcast against (...) [rad]."""
    c, s = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Angles in [-pi, pi) [rad]."""
    return (np.asarray(angle) + np.pi) % (2.0 * np.pi) - np.pi
