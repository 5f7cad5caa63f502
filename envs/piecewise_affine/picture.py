"""Pictures of the state plane, drawn without any graphics library."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

_PAPER = np.array([245.0, 244.0, 240.0])
_KINK = np.array([200.0, 200.0, 205.0])
_TRAIL = np.array([120.0, 160.0, 205.0])
_STATE = np.array([230.0, 107.0, 43.0])
_GOAL = np.array([77.0, 173.0, 107.0])


class Canvas:
    """The square [-extent, extent]^2 seen from above.

    Args:
        width: pixels.
        height: pixels.
        extent: half side that is visible on the shorter side.
    """

    def __init__(self, width: int, height: int, extent: float) -> None:
        scale = 2.0 * extent / min(width, height)
        self._x = (np.arange(width) + 0.5 - width / 2) * scale
        self._y = -((np.arange(height) + 0.5 - height / 2) * scale)[:, None]
        self._pixel = scale
        self.image = np.broadcast_to(_PAPER, (height, width, 3)).copy()

    def disc(self, centre: np.ndarray, radius: float, colour: np.ndarray) -> None:
        """Filled disc."""
        distance = np.hypot(self._x - centre[0], self._y - centre[1])
        self._blend(distance - radius, colour)

    def segment(self, start: np.ndarray, end: np.ndarray, width: float, colour: np.ndarray) -> None:
        """Line with round ends."""
        span = end - start
        x, y = self._x - start[0], self._y - start[1]
        along = np.clip((x * span[0] + y * span[1]) / max(span @ span, 1e-12), 0.0, 1.0)
        distance = np.hypot(x - along * span[0], y - along * span[1])
        self._blend(distance - width / 2, colour)

    def _blend(self, outside: np.ndarray, colour: np.ndarray) -> None:
        cover = np.clip(0.5 - outside / self._pixel, 0.0, 1.0)[..., None]
        self.image += cover * (colour - self.image)


def draw(
    trail: np.ndarray, W: np.ndarray, b: np.ndarray, extent: float, width: int, height: int
) -> np.ndarray:
    """Kinks, trail, goal and state. Shape (height, width, 3), uint8.

    Args:
        trail: Visited states, the last one is the present one. Shape (T, 2).
        W: Normals of the kinks `W x + b = 0`. Shape (m, 2).
        b: Shape (m,).
        extent: half side of the visible square.
        width: pixels.
        height: pixels.
    """
    canvas = Canvas(width, height, extent)
    for normal, offset in zip(W, b, strict=True):
        length = np.linalg.norm(normal)
        if length > 1e-9:
            foot = -offset * normal / length**2
            along = 3 * extent * np.array([-normal[1], normal[0]]) / length
            canvas.segment(foot - along, foot + along, 0.006 * extent, _KINK)
    canvas.disc(np.zeros(2), 0.05 * extent, _GOAL)
    canvas.disc(np.zeros(2), 0.032 * extent, _PAPER)
    for start, end in pairwise(trail):
        canvas.segment(start, end, 0.012 * extent, _TRAIL)
        canvas.disc(start, 0.012 * extent, _TRAIL)
    canvas.disc(trail[-1], 0.028 * extent, _STATE)
    return np.round(canvas.image).astype(np.uint8)
