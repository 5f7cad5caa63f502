"""Motions of the gripper that data are collected with."""

from __future__ import annotations

import numpy as np

from .scene import POLE
from .starts import draw_motion, nearest


class SmoothMotion:
    """Smooth random motion, slow to fast and steady to nervous; with a pole, also towards it.

    With a pole, a drift of random strength moves the gripper in the direction in which the rope's
    nearest point is away from the pole, which drags the rope against it and around it.

    Args:
        rngs: one generator an episode (N).
        steps: control steps of an episode.
    """

    def __init__(self, pole: bool, rngs: list[np.random.Generator], steps: int) -> None:
        self._motions = np.stack(
            [draw_motion(r, steps, r.uniform(0.3, 0.95), r.uniform(0.4, 1.2)) for r in rngs]
        )
        self._drift = np.array([max(0.0, r.uniform(-0.3, 1.0)) for r in rngs]) if pole else None

    def __call__(self, t: int, qpos: np.ndarray) -> np.ndarray:
        """Actions (N, 2), of qpos (N, 14)."""
        motion = self._motions[:, t]
        if self._drift is None:
            return motion
        away = POLE - nearest(qpos)
        away /= np.linalg.norm(away, axis=-1, keepdims=True) + 1e-9
        return motion + self._drift[:, None] * away
