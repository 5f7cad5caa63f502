"""Pusher motions that data are collected with: to and fro, most of them against the rod."""

from __future__ import annotations

import numpy as np

from ..collection import Explorer
from ..simulator import STEP

_NEW = 0.12
"""Probability of a new place to go to in a control step."""
_NOISE = 0.3
_FAR = 0.2
"""Share of the episodes that visit the room behind the wall."""
_NEAR_ROOM = np.array([[-0.25, -0.25], [0.22, -0.015]])
_BOTH_ROOMS = np.array([[-0.25, -0.25], [-0.08, 0.22]])


def wander(rngs: list[np.random.Generator], steps: int) -> Explorer:
    """Goes to one random place after the other, at varying speed.

    Episodes stay left of the rod: in the room where the rod is, or where it does not reach in
    both rooms. All randomness is drawn at the start, episode by episode.

    Args:
        rngs: one generator an episode (N).
        steps: control steps of an episode.
    """
    draws = [(r.random(), r.random((steps, 4)), r.standard_normal((steps, 2))) for r in rngs]
    far = np.array([d[0] for d in draws]) < _FAR
    unit, white = np.stack([d[1] for d in draws]), np.stack([d[2] for d in draws])
    room = np.where(far[:, None, None], _BOTH_ROOMS, _NEAR_ROOM)
    places = room[:, None, 0] + unit[..., :2] * (room[:, None, 1] - room[:, None, 0])
    speed = 0.3 + unit[..., 3]
    switch = unit[..., 2] < _NEW
    switch[:, 0] = True
    since = np.maximum.accumulate(np.where(switch, np.arange(steps), 0), axis=1)
    rows = np.arange(len(rngs))

    def act(t: int, qpos: np.ndarray) -> np.ndarray:
        chosen = rows, since[:, t]
        offset = (places[chosen] - qpos[:, :2]) / STEP
        action = np.clip(offset, -1.0, 1.0) * speed[chosen][:, None] + _NOISE * white[:, t]
        low, high = ((room[:, i] - qpos[:, :2]) / STEP for i in (0, 1))
        return np.clip(action, np.minimum(low, 0.0), np.maximum(high, 0.0))

    return act
