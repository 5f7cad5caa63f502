"""Pictures of the state plane, drawn without any graphics library of MuJoCo."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

_PAPER, _KINK, _TRAIL = (245, 244, 240), (200, 200, 205), (120, 160, 205)
_STATE, _GOAL = (230, 107, 43), (77, 173, 107)
_FINE = 4
"""Drawn at so many times the size, for smooth edges."""


def draw(
    trail: np.ndarray, W: np.ndarray, b: np.ndarray, extent: float, width: int, height: int
) -> np.ndarray:
    """Kinks, trail, goal and state. Shape (height, width, 3), uint8.

    Args:
        trail: Visited states, the last one is the present one. Shape (T, 2).
        W: Normals of the kinks `W x + b = 0`. Shape (m, 2).
        b: Shape (m,).
        extent: half side of the visible square.
    """
    size = np.array([width, height])
    image = Image.new("RGB", (_FINE * width, _FINE * height), _PAPER)
    brush = ImageDraw.Draw(image)
    scale = _FINE * size.min() / (2.0 * extent)

    def pixels(points: np.ndarray) -> list[tuple[float, float]]:
        return [tuple(p) for p in _FINE * size / 2 + scale * points * [1, -1]]

    def line(points: np.ndarray, colour: tuple[int, int, int], thick: float) -> None:
        brush.line(pixels(points), colour, max(1, round(thick * scale)), joint="curve")

    def disc(centre: np.ndarray, radius: float, colour: tuple[int, int, int]) -> None:
        brush.circle(pixels(centre[None])[0], radius * scale, colour)

    for normal, offset in zip(W, b, strict=True):
        length = np.linalg.norm(normal)
        if length > 1e-9:
            foot = -offset * normal / length**2
            along = 3 * extent * np.array([-normal[1], normal[0]]) / length
            line(np.stack([foot - along, foot + along]), _KINK, 0.006 * extent)
    disc(np.zeros(2), 0.05 * extent, _GOAL)
    disc(np.zeros(2), 0.032 * extent, _PAPER)
    line(trail, _TRAIL, 0.012 * extent)
    for state in trail[:-1]:
        disc(state, 0.012 * extent, _TRAIL)
    disc(trail[-1], 0.028 * extent, _STATE)
    return np.asarray(image.resize((width, height), Image.Resampling.BOX)).copy()
