"""A pusher that seeks contact: data in which the object moves."""

from __future__ import annotations

import numpy as np

from .shapes import Shape, place

RETARGET = 0.15
"""Probability of a new target in a control step."""
NOISE = 0.35
"""Standard deviation of the noise on actions."""
_PUSH, _RETREAT, _CIRCLE = 0.75, 0.1, 0.15


class ContactSeeker:
    """Pushes towards a random point of the object; sometimes retreats or moves across.

    All randomness is drawn at the start, episode by episode, so that the actions of an episode
    do not depend on which others are collected with it.

    Args:
        rngs: one generator an episode (N).
        steps: control steps of an episode.
    """

    def __init__(self, shape: Shape, rngs: list[np.random.Generator], steps: int) -> None:
        self._points = np.stack([shape.sample(r, steps) for r in rngs])
        self._noise = np.stack([NOISE * r.standard_normal((steps, 2)) for r in rngs])
        unit = np.stack([r.random((steps, 3)) for r in rngs])
        self._switch = unit[..., 0] < RETARGET
        self._switch[:, 0] = True
        self._speed = 0.4 + 0.8 * unit[..., 1]
        self._turn = np.select(
            [unit[..., 2] < _PUSH, unit[..., 2] < _PUSH + _RETREAT, unit[..., 2] < 1 - _CIRCLE / 2],
            [0.0, np.pi, np.pi / 2],
            -np.pi / 2,
        )
        self._since = np.zeros(len(rngs), dtype=int)

    def __call__(self, t: int, qpos: np.ndarray) -> np.ndarray:
        """Actions (N, 2), of qpos (N, 5)."""
        self._since = np.where(self._switch[:, t], t, self._since)
        rows = np.arange(len(qpos))
        target = place(self._points[rows, self._since, None], qpos[:, 2:])[:, 0]
        offset = target - qpos[:, :2]
        heading = np.arctan2(offset[:, 1], offset[:, 0]) + self._turn[rows, self._since]
        direction = np.column_stack([np.cos(heading), np.sin(heading)])
        return self._speed[rows, self._since, None] * direction + self._noise[:, t]
